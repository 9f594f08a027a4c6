"""Metrics: every point that was logged, and the newest of each metric.

The newest is the largest (step, at, value), so that it does not depend on the order in which
points arrive. The same point twice is one point, so a client may send again what it is not sure of.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, TypeAlias

import sqlalchemy as sa

from everloop.errors import invalid
from everloop.store.dialect import insert_columns, insert_or_ignore, upsert_newer
from everloop.store.filter.sql import id_list
from everloop.store.paging import pack, unpack
from everloop.store.tables import metric_points, run_metrics
from everloop.store.tables import runs as run_rows
from everloop.tracking.checks import check_key
from everloop.tracking.model_points import keep_model_points
from everloop.tracking.of_runs import OfRuns
from everloop.tracking.records import Found, Point

LARGEST = 1.7976931348623157e308
MOST = 2**63
MAX_HISTORY = 100_000
COLUMNS = ("run", "key", "step", "at", "value", "nan")

INSERT_POINT = insert_or_ignore(metric_points)
UPSERT_NEWEST = upsert_newer(
    run_metrics, ["run", "key"], ["step", "at", "value", "nan"], by=["step", "at", "value"]
)

_L = run_metrics.c
LATEST = OfRuns(sa.select(_L.run, _L.key, _L.value, _L.nan, _L.at, _L.step), _L.run, _L.key)


def keep_points(conn: sa.Connection, run: int, experiment: int, points: Sequence[Point]) -> None:
    """Write points of a run in the caller's transaction; those of models with the model too."""
    rows = point_rows(run, points)
    measured = [pair for pair in zip(points, rows, strict=True) if pair[0].model]
    if measured:
        named = [(point, dict(zip(COLUMNS, row, strict=True))) for point, row in measured]
        keep_model_points(conn, run, named)
    # In the same order by everybody, so that two writers cannot wait for each other. Of each key
    # the newest comes last.
    rows.sort()
    if len(rows) == 1:
        conn.execute(INSERT_POINT, dict(zip(COLUMNS, rows[0], strict=True)))
    else:
        insert_columns(
            conn, metric_points, dict(zip(COLUMNS, zip(*rows, strict=True), strict=True))
        )
    newest = {row[1]: row for row in rows}
    keep_newest(conn, experiment, [dict(zip(COLUMNS, row, strict=True)) for row in newest.values()])


def keep_newest(conn: sa.Connection, experiment: int, rows: Sequence[dict[str, Any]]) -> None:
    """Let rows by column, sorted by key and one of each, be the newest if they are."""
    latest = [row | {"experiment": experiment} for row in rows]
    conn.execute(UPSERT_NEWEST, latest if len(latest) > 1 else latest[0])


Row: TypeAlias = tuple[int, str, int, int, float, bool]
"""Of ``metric_points``: the values of :data:`COLUMNS`."""


def point_rows(run: int, points: Sequence[Point]) -> list[Row]:
    """Points as rows; raises :class:`~everloop.errors.InvalidInput` for the first bad one."""
    known: set[str] = set()
    rows: list[Row] = []
    for point in points:
        key, value, at, step = point.key, point.value, point.at, point.step
        if key not in known:
            known.add(check_key("metric", key))
        plain = type(value) is float and -LARGEST <= value <= LARGEST
        if plain and -MOST <= step < MOST and -MOST <= at < MOST:
            rows.append((run, key, step, at, value, False))
        else:
            rows.append(_odd_row(run, point))
    return rows


def _odd_row(run: int, point: Point) -> Row:
    check_step(point.step)
    if not -MOST <= point.at < MOST:
        raise invalid("at", point.at, "milliseconds since 1970, a whole number of 64 bits")
    try:
        value = float(point.value)
    except (TypeError, ValueError, OverflowError):
        raise invalid(f"metric.{point.key}", point.value, "a number") from None
    nan = math.isnan(value)
    kept = 0.0 if nan else max(-LARGEST, min(LARGEST, value))
    return (run, point.key, point.step, point.at, kept, nan)


def check_step(step: int) -> int:
    """``step`` when the tables can hold it; raises InvalidInput otherwise."""
    if not -MOST <= step < MOST:
        raise invalid("step", step, "a whole number of 64 bits")
    return step


def latest_of(conn: sa.Connection, runs: Sequence[int]) -> dict[int, dict[str, Point]]:
    """The newest point of each metric of each run."""
    found: dict[int, dict[str, Point]] = {run: {} for run in runs}
    for run, key, value, nan, at, step in LATEST.read(conn, runs):
        found[run][key] = Point(key, math.nan if nan else value, at, step)
    return found


def history(
    conn: sa.Connection, run: int, key: str, limit: int | None, token: str | None
) -> Found[Point]:
    """A metric's points by time, step and value, from where ``token`` says."""
    t = metric_points.c
    order = (t.at, t.step, t.value, t.nan)
    query = sa.select(*order).where((t.run == run) & (t.key == key)).order_by(*order)
    if token is not None:
        at, step, value, nan = unpack(token, tuple[int, int, float, bool])
        query = query.where(sa.tuple_(*order) > sa.tuple_(at, step, value, nan))
    most = MAX_HISTORY if limit is None else max(1, min(limit, MAX_HISTORY))
    rows = conn.execute(query.limit(most + 1)).all()
    more = pack([*rows[most - 1]]) if len(rows) > most else None
    return Found([_point(key, row) for row in rows[:most]], more)


def histories(
    conn: sa.Connection, runs: Sequence[str], key: str, limit: int
) -> dict[str, list[Point]]:
    """A metric's points of several runs, by run; ``limit`` points in all."""
    t = metric_points.c
    order = (run_rows.c.id, t.at, t.step, t.value, t.nan)
    query = (
        sa.select(*order)
        .join_from(metric_points, run_rows, run_rows.c.number == t.run)
        .where(run_rows.c.id.in_(runs) & (t.key == key))
        .order_by(*order)
    )
    found: dict[str, list[Point]] = {}
    for row in conn.execute(query.limit(limit)):
        found.setdefault(row.id, []).append(_point(key, row))
    return found


def sampled(
    conn: sa.Connection,
    runs: Sequence[int],
    key: str,
    first: int | None,
    last: int | None,
    limit: int,
) -> dict[int, list[Point]]:
    """The points at about ``limit`` steps, the same steps for all runs, evenly spread.

    The first and the last step of each run are always among them.
    """
    t = metric_points.c
    here = t.run.in_(id_list(runs)) & (t.key == key)
    if first is not None and last is not None:
        here &= t.step.between(first, last)
    steps: dict[int, list[int]] = {run: [] for run in runs}
    query = sa.select(t.run, t.step).where(here).distinct().order_by(t.run, t.step)
    for run, step in conn.execute(query):
        steps[run].append(step)
    every = sorted(set().union(*steps.values()))
    common = {every[i] for i in spread(len(every), limit)}
    for own in steps.values():
        common |= {own[0], own[-1]} if own else set()
    found: dict[int, list[Point]] = {run: [] for run in runs}
    query = sa.select(t.run, t.at, t.step, t.value, t.nan).where(here)
    for row in conn.execute(query.order_by(t.run, t.step, t.at, t.value)):
        if row.step in common:
            found[row.run].append(_point(key, row))
    return found


def spread(count: int, limit: int) -> list[int]:
    """Indices of ``limit`` of ``count`` things, evenly spread from the first, and of the last.

    They are those that MLflow's charts have always shown.
    """
    if count <= limit:
        return list(range(count))
    return sorted({int(i * (count / limit)) for i in range(limit)} | {count - 1})


def _point(key: str, row: Any) -> Point:
    return Point(key, math.nan if row.nan else row.value, row.at, row.step)
