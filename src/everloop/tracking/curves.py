"""Curves thinned out for a chart: the least and the greatest of each stretch, exactly.

A drawing of a line is right to the pixel when each column of pixels has the first, last, least and
greatest point in it (Jugel, Jerzak, Hackenbroich and Markl, "M4: a visualization-oriented time
series data aggregation", PVLDB 7(10), 2014). So a long curve is cut into stretches of about as
many points each, and of each the least and the greatest are kept, and the first that is no finite
number, which is a gap; the curve's first and last points are kept too. All of them are points that
were logged; none is a mean.

The database finds them by reading its index in order; only what is drawn is fetched. Stretches
follow time, the order in which points lie, also where the chart's axis is the step.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import msgspec
import sqlalchemy as sa

from everloop.store.dialect import as_numbers, given_numbers, in_numbers
from everloop.store.tables import metric_points
from everloop.tracking.points import LARGEST
from everloop.tracking.stretches import (
    HIGHEST,
    LOWEST,
    Axis,
    Part,
    Place,
    Range,
    Stretch,
    cut,
    ends,
    extremes,
    gaps,
    values_at,
)

FEWEST, MOST = 10, 10_000
"""Points that a curve may be asked to have at most."""

ROUNDS = 5
"""Times that a stretch with too many points is cut again."""

_P = metric_points.c
_ORDER = (_P.run, _P.at, _P.step, _P.value, _P.nan)
_ALL: Range = ((LOWEST, LOWEST), (HIGHEST, HIGHEST))


class Span(NamedTuple):
    """What part of a curve is asked for: from ``low`` to ``high``, both included, None for open.

    They are steps, milliseconds since 1970, or since the run's first value.
    """

    axis: Axis = "step"
    low: int | None = None
    high: int | None = None


class Curve(msgspec.Struct, frozen=True):
    """A metric of a run by column, in the order of the axis.

    Attributes
    ----------
    step, at : of each point; ``at`` in milliseconds since 1970.
    value : None is a gap: a NaN or an infinity.
    points : how many were logged in the part that was asked for.
    begun : when the first of all was logged; told where the axis is relative.
    """

    step: list[int]
    at: list[int]
    value: list[float | None]
    points: int
    begun: int = 0


Row = tuple[int, int, float | None]
"""``(at, step, value)``; the value is None when it is not a finite number."""


def read_curves(
    conn: sa.Connection, runs: Sequence[int], key: str, span: Span, most: int
) -> dict[int, Curve]:
    """A metric of several runs, by their numbers, each with at most ``most`` points.

    One statement when all are short; a long one takes some more of its own.
    """
    if span.axis == "relative":
        return _relative(conn, runs, key, span, most)
    limit = most * len(runs)
    rows = _rows(conn, runs, key, span, limit + 1) if runs else []
    unknown = rows[-1][0] if len(rows) > limit else HIGHEST  # from this run on
    by_run: dict[int, list[Row]] = {run: [] for run in runs}
    for run, *row in rows:
        by_run[run].append(_row(*row))
    found: dict[int, Curve] = {}
    for run, own in by_run.items():
        if len(own) > most:
            found[run] = _thinned(conn, Part(run, key, *span), span, most)
        elif run >= unknown:
            found[run] = _one(conn, run, key, span, most)
        else:
            found[run] = _curve(own, span, len(own))
    return found


def _relative(
    conn: sa.Connection, runs: Sequence[int], key: str, span: Span, most: int
) -> dict[int, Curve]:
    """By the time since each run's first value, so each run has bounds of its own."""
    begun = {run: at or 0 for run, at in _firsts(conn, runs, key)}
    if span.low is None and span.high is None:
        found = read_curves(conn, runs, key, Span("time"), most)
    else:
        found = {}
        for run, at in begun.items():
            low, high = (None if b is None else _within(at + b) for b in (span.low, span.high))
            found[run] = _one(conn, run, key, Span("time", low, high), most)
    return {run: msgspec.structs.replace(found[run], begun=begun[run]) for run in runs}


def _within(moment: int) -> int:
    return max(LOWEST, min(HIGHEST, moment))


def _firsts(conn: sa.Connection, runs: Sequence[int], key: str) -> Sequence[Any]:
    """When each run's first value was logged: a look at the index for each."""
    dialect = conn.dialect.name
    given = given_numbers("many", dialect).subquery().c
    first = sa.select(_P.at).where(_P.run == given.number, _P.key == key)
    query = sa.select(given.number, first.order_by(_P.at).limit(1).scalar_subquery())
    return conn.execute(query, {"many": as_numbers(runs, dialect)}).all()


def _one(conn: sa.Connection, run: int, key: str, span: Span, most: int) -> Curve:
    rows = [_row(*row) for _, *row in _rows(conn, [run], key, span, most + 1)]
    if len(rows) <= most:
        return _curve(rows, span, len(rows))
    return _thinned(conn, Part(run, key, *span), span, most)


def _rows(
    conn: sa.Connection, runs: Sequence[int], key: str, span: Span, limit: int
) -> Sequence[Any]:
    """Points as they lie, by run and time."""
    dialect, axis = conn.dialect.name, _P.step if span.axis == "step" else _P.at
    query = sa.select(*_ORDER).where(in_numbers(_P.run, "many", dialect), _P.key == key)
    if span.low is not None:
        query = query.where(axis >= span.low)
    if span.high is not None:
        query = query.where(axis <= span.high)
    asked = query.order_by(*_ORDER).limit(limit)
    return conn.execute(asked, {"many": as_numbers(sorted(runs), dialect)}).all()


def _row(at: int, step: int, value: float, nan: bool) -> Row:
    return at, step, None if nan or abs(value) >= LARGEST else value


def _curve(rows: Iterable[Row], span: Span, points: int) -> Curve:
    first, then = (1, 0) if span.axis == "step" else (0, 1)
    ordered = sorted(rows, key=lambda row: (row[first], row[then]))
    return Curve(
        [step for _, step, _ in ordered],
        [at for at, _, _ in ordered],
        [value for _, _, value in ordered],
        points,
    )


def _thinned(conn: sa.Connection, part: Part, span: Span, most: int) -> Curve:
    (first, last), pieces = _pieces(conn, part, (most - 2) // 2)
    total = sum(piece.count for piece in pieces)
    broken = [piece.within for piece in pieces if piece.gaps]
    holes = dict(zip(broken, gaps(conn, part, broken), strict=True)) if broken else {}
    ends_of = [end for piece in pieces for end in (piece.low, piece.high) if end is not None]
    values = values_at(conn, part, sorted({first, last, *ends_of}))
    rows: set[Row] = {(*end, values[end][0] if end in values else None) for end in (first, last)}
    for group in _groups(pieces, (most - 2) // (3 if broken else 2), total):
        rows |= _drawn(group, values, holes)
    return _curve(rows, span, total)


def _pieces(conn: sa.Connection, part: Part, wanted: int) -> tuple[Range, list[Stretch]]:
    """The first and last place, and stretches between with about as many points each, by time."""
    (whole,) = ends(conn, part, [_ALL])
    ranges, done, ideal = cut(whole, wanted), list[Stretch](), math.inf
    for turn in range(ROUNDS):
        found = [one for one in extremes(conn, part, ranges) if one.count]
        if turn == 0:
            ideal = sum(one.count for one in found) / wanted
        most = 2 * ideal if turn < ROUNDS - 1 else math.inf
        heavy = [one for one in found if one.count > most]
        done += [one for one in found if one.count <= most]
        if not heavy:
            break
        tight = ends(conn, part, [one.within for one in heavy])
        shares = [math.ceil(one.count / ideal) for one in heavy]
        ranges = [one for pair in zip(tight, shares, strict=True) for one in cut(*pair)]
    return whole, sorted(done, key=lambda one: one.within)


def _groups(pieces: list[Stretch], most: int, total: int) -> Iterable[list[Stretch]]:
    """At most ``most`` groups of neighbours, with about as many points each."""
    groups: dict[int, list[Stretch]] = {}
    before = 0
    for piece in pieces:
        groups.setdefault(before * most // total, []).append(piece)
        before += piece.count
    return groups.values()


def _drawn(
    group: list[Stretch], values: dict[Place, tuple[float, float]], holes: dict[Range, Place]
) -> set[Row]:
    """The least, the greatest and the first gap of a group."""
    rows: set[Row] = set()
    lows = [(values[one.low][0], one.low) for one in group if one.low is not None]
    highs = [(values[one.high][1], one.high) for one in group if one.high is not None]
    for chosen, found in ((min, lows), (max, highs)):
        if found:
            value, place = chosen(found)
            rows.add((*place, value))
    broken = next((one.within for one in group if one.gaps), None)
    if broken is not None:
        rows.add((*holes[broken], None))
    return rows
