"""Experiments and their runs: parameters, tags and metrics."""

from __future__ import annotations

import math
import uuid
from collections import defaultdict
from collections.abc import Collection, Mapping
from typing import Any, Literal

import msgspec
import sqlalchemy as sa

from everloop.errors import NotFound, invalid
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.tables import experiments, run_metrics, run_params, run_tags, runs

Status = Literal["RUNNING", "FINISHED", "FAILED"]

MAX_PAGE = 1000


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """One run with its parameters, tags and, of each metric, the value of the last step."""

    id: str
    experiment: str
    name: str
    status: Status
    started: int
    finished: int | None
    params: dict[str, str]
    tags: dict[str, str]
    metrics: dict[str, float]


class Point(msgspec.Struct, frozen=True):
    """A metric's value at a step; ``at`` is when it was logged."""

    step: int
    at: int
    value: float


class Experiment(msgspec.Struct, frozen=True):
    """A named group of runs."""

    id: int
    name: str
    created: int


class RunStore:
    """The runs in ``db``."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def start(
        self,
        experiment: str,
        name: str,
        tags: Mapping[str, str] | None = None,
        run: str | None = None,
    ) -> str:
        """Begin a run, and its experiment when that is new; returns the id, 32 digits.

        A caller that may be interrupted gives the id ``run`` itself; the same one again changes
        nothing.
        """
        _key("experiment", experiment, 500)
        run = uuid.uuid4().hex if run is None else _run_id(run)
        now = now_ms()
        with self.db.write() as conn:
            conn.execute(insert_or_ignore(experiments), {"name": experiment, "created": now})
            group = sa.select(experiments.c.id).where(experiments.c.name == experiment)
            row = {
                "id": run,
                "experiment": conn.execute(group).scalar_one(),
                "name": _key("name", name, 500),
                "status": "RUNNING",
                "started": now,
            }
            conn.execute(insert_or_ignore(runs), row)
            _set(conn, run_tags, run, tags or {})
        return run

    def log_params(self, run: str, params: Mapping[str, Any]) -> None:
        """Keep parameters; text as it is, anything else as JSON. The last value of a key wins."""
        with self.db.write() as conn:
            _require(conn, run)
            _set(conn, run_params, run, params)

    def log_tags(self, run: str, tags: Mapping[str, Any]) -> None:
        """Keep tags, as :meth:`log_params` keeps parameters."""
        with self.db.write() as conn:
            _require(conn, run)
            _set(conn, run_tags, run, tags)

    def log_metrics(
        self, run: str, metrics: Mapping[str, float], step: int = 0, at: int | None = None
    ) -> None:
        """Keep the values of metrics at a step; the last value of a step wins.

        NaN and infinity are values too. ``at`` is in milliseconds; now when not given.
        """
        if not -(2**63) <= step < 2**63:
            raise invalid("step", step, "a whole number of 64 bits")
        when = now_ms() if at is None else at
        rows = [
            {
                "run": run,
                "key": _key("metric", key, 250),
                "step": step,
                "at": when,
                "value": _float(key, value),
            }
            for key, value in metrics.items()
        ]
        with self.db.write() as conn:
            _require(conn, run)
            if rows:
                conn.execute(upsert(run_metrics, ["run", "key", "step"], ["at", "value"]), rows)

    def finish(self, run: str, status: Status = "FINISHED") -> None:
        """End a run; a run that has ended keeps its time."""
        if status not in ("FINISHED", "FAILED"):
            raise invalid("status", status, "FINISHED or FAILED")
        finished = sa.func.coalesce(runs.c.finished, now_ms())
        change = sa.update(runs).where(runs.c.id == run).values(status=status, finished=finished)
        with self.db.write() as conn:
            if conn.execute(change).rowcount == 0:
                raise _missing(run)

    def get(self, run: str) -> Run:
        """One run; raises :class:`~everloop.errors.NotFound` when there is none."""
        with self.db.read() as conn:
            found = _read(conn, _select().where(runs.c.id == run))
        if not found:
            raise _missing(run)
        return found[0]

    def page(
        self, experiment: str | None = None, before: str | None = None, limit: int = 100
    ) -> list[Run]:
        """Runs from the newest; the next page lies ``before`` the last one's id."""
        query = _select().order_by(runs.c.started.desc(), runs.c.id.desc())
        if experiment is not None:
            query = query.where(experiments.c.name == experiment)
        with self.db.read() as conn:
            if before is not None:
                _require(conn, before)
                last = sa.select(runs.c.started).where(runs.c.id == before).scalar_subquery()
                query = query.where(sa.tuple_(runs.c.started, runs.c.id) < sa.tuple_(last, before))
            return _read(conn, query.limit(max(1, min(limit, MAX_PAGE))))

    def history(
        self, run: str, metric: str, after: int | None = None, limit: int = MAX_PAGE
    ) -> list[Point]:
        """A metric's values by step; the next page lies ``after`` the last one's step."""
        query = sa.select(run_metrics.c.step, run_metrics.c.at, run_metrics.c.value).where(
            (run_metrics.c.run == run) & (run_metrics.c.key == metric)
        )
        if after is not None:
            query = query.where(run_metrics.c.step > after)
        query = query.order_by(run_metrics.c.step).limit(max(1, min(limit, 100_000)))
        with self.db.read() as conn:
            return [Point(r.step, r.at, _number(r.value)) for r in conn.execute(query)]

    def experiments(self, after: int = 0, limit: int = 100) -> list[Experiment]:
        """Experiments in the order they began; the next page lies ``after`` the last id."""
        query = sa.select(experiments).where(experiments.c.id > after).order_by(experiments.c.id)
        with self.db.read() as conn:
            rows = conn.execute(query.limit(max(1, min(limit, MAX_PAGE)))).all()
        return [Experiment(row.id, row.name, row.created) for row in rows]


def _select() -> sa.Select[Any]:
    named = runs.join(experiments, runs.c.experiment == experiments.c.id)
    columns = [column for column in runs.c if column.name != "experiment"]
    return sa.select(*columns, experiments.c.name.label("experiment")).select_from(named)


def _read(conn: sa.Connection, query: sa.Select[Any]) -> list[Run]:
    rows = conn.execute(query).all()
    ids = [row.id for row in rows]
    params, tags = _texts(conn, run_params, ids), _texts(conn, run_tags, ids)
    metrics = _latest(conn, ids)
    return [
        Run(**row._mapping, params=params[row.id], tags=tags[row.id], metrics=metrics[row.id])
        for row in rows
    ]


def _texts(conn: sa.Connection, table: sa.Table, ids: Collection[str]) -> dict[str, dict[str, str]]:
    found: dict[str, dict[str, str]] = defaultdict(dict)
    query = sa.select(table).where(table.c.run.in_(ids)).order_by(table.c.run, table.c.key)
    for row in conn.execute(query):
        found[row.run][row.key] = row.value
    return found


def _latest(conn: sa.Connection, ids: Collection[str]) -> dict[str, dict[str, float]]:
    t = run_metrics.c
    last = (
        sa.select(t.run, t.key, sa.func.max(t.step).label("step"))
        .where(t.run.in_(ids))
        .group_by(t.run, t.key)
        .subquery()
    )
    same = (t.run == last.c.run) & (t.key == last.c.key) & (t.step == last.c.step)
    query = sa.select(t.run, t.key, t.value).join_from(run_metrics, last, same)
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for row in conn.execute(query.order_by(t.run, t.key)):
        found[row.run][row.key] = _number(row.value)
    return found


def _set(conn: sa.Connection, table: sa.Table, run: str, values: Mapping[str, Any]) -> None:
    rows = [
        {"run": run, "key": _key(table.name, key, 250), "value": _value(table.name, value)}
        for key, value in values.items()
    ]
    if rows:
        conn.execute(upsert(table, ["run", "key"], ["value"]), rows)


def _require(conn: sa.Connection, run: str) -> None:
    if not conn.execute(sa.select(runs.c.id).where(runs.c.id == run)).first():
        raise _missing(run)


def _missing(run: str) -> NotFound:
    return NotFound(f"There is no run {run!r}.", code="run_not_found", got=run)


def _float(metric: str, value: float) -> float | None:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise invalid(f"metric.{metric}", value, "a number") from None
    return None if math.isnan(number) else number


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _value(field: str, value: Any) -> str:
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    if "\0" in text:
        raise invalid(field, text, "text without the character NUL")
    return text


def _key(field: str, value: str, limit: int) -> str:
    if not 0 < len(value) <= limit or "\0" in value:
        raise invalid(field, value, f"1 to {limit} characters")
    return value


def _run_id(run: str) -> str:
    if len(run) != 32 or not set(run) <= set("0123456789abcdef"):
        raise invalid("run", run, "32 lower-case hexadecimal digits")
    return run
