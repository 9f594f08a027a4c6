"""What is new about a run that is going on: points, params, tags, status.

Points have no order of arrival, only their time; another client's may come with an earlier one
than the newest. So each look reads a little back, and leaves out what it saw there before.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import metric_points, run_metrics, runs
from everloop.tracking.reading import params_and_tags
from everloop.tracking.runs import number_of

WINDOW = 10_000
"""Milliseconds that a point may be behind the newest one of its run and still be seen."""

REMEMBERED = 5_000
"""Points that are remembered to tell new ones from old; with more of them the window is less."""

MOST = 10_000
"""Points of one look; the next one goes on."""

Seen = tuple[str, int, int, float, bool]


class State(msgspec.Struct, frozen=True):
    """What a run says of itself beside its points."""

    status: str
    finished: int | None
    deleted: int | None
    name: str
    params: dict[str, str]
    tags: dict[str, str]

    @property
    def over(self) -> bool:
        """Whether nothing more is expected."""
        return self.finished is not None or self.deleted is not None


class Look(msgspec.Struct, frozen=True):
    """What one look found: of each metric ``[step, at, value]`` of its new points, by time.

    ``newest`` is the time of the newest point that was given; ``more`` that there are others.
    """

    state: State
    points: dict[str, list[tuple[int, int, float | None]]]
    newest: int
    more: bool


class Watcher:
    """Looks at one run again and again; one thread at a time may use it.

    The first look gives the points after ``since`` (milliseconds), which may be None: from now on.
    """

    def __init__(self, db: Database, run: str, since: int | None = None) -> None:
        self.db = db
        self.run = run
        self.newest = since
        self._floor = -(2**63)
        self._seen: set[Seen] = set()
        self._after: Seen | None = None  # where a look that found too many ended

    def look(self) -> Look:
        """What is new; raises :class:`~everloop.errors.NotFound` for a run that is not there."""
        with self.db.read() as conn:
            number = number_of(conn, self.run)
            state = _state(conn, number)
            if self.newest is None:
                self._begin(conn, number)
            assert self.newest is not None
            since = max(self.newest - WINDOW, self._floor)
            rows = _points(conn, number, since, after=self._after)
        new = [row for row in rows if row not in self._seen]
        more = len(rows) == MOST
        self._after = rows[-1] if more else None
        if rows:
            self._remember(rows)
        points: dict[str, list[tuple[int, int, float | None]]] = {}
        for key, at, step, value, nan in new:
            points.setdefault(key, []).append((step, at, None if nan else value))
        return Look(state, points, self.newest, more)

    def _begin(self, conn: sa.Connection, number: int) -> None:
        """Take what is there now as seen."""
        query = sa.select(sa.func.max(run_metrics.c.at)).where(run_metrics.c.run == number)
        self.newest = conn.execute(query).scalar() or 0
        rows = _points(conn, number, self.newest - WINDOW, newest_first=True)
        if rows:
            self.newest = max(self.newest, rows[0][1])
        if len(rows) == REMEMBERED:
            self._floor = rows[-1][1]
        self._seen = set(rows)

    def _remember(self, rows: list[Seen]) -> None:
        """The newest rows, and how far back they reach without a gap."""
        last = rows[-1][1]
        self.newest = last if self.newest is None else max(self.newest, last)
        if len(rows) == MOST:  # the next look goes on from the last row, and later ones from there
            self._floor = max(self._floor, last)
        elif len(rows) > REMEMBERED:
            self._floor = max(self._floor, rows[-REMEMBERED - 1][1])
        self._seen = {row for row in rows if row[1] > self._floor}


def read_state(db: Database, run: str) -> State:
    """A run's state; raises :class:`~everloop.errors.NotFound`."""
    with db.read() as conn:
        return _state(conn, number_of(conn, run))


def _state(conn: sa.Connection, number: int) -> State:
    c = runs.c
    query = sa.select(c.status, c.finished, c.deleted, c.name).where(c.number == number)
    row = conn.execute(query).one()
    params, tags = params_and_tags(conn, [number])
    return State(*row, params[number], tags[number])


def _points(
    conn: sa.Connection,
    number: int,
    since: int,
    *,
    after: Seen | None = None,
    newest_first: bool = False,
) -> list[Seen]:
    """Points after a time, or after a row, through the primary key of each metric's history."""
    p = metric_points.c
    keys = sa.select(run_metrics.c.key).where(run_metrics.c.run == number)
    query = sa.select(p.key, p.at, p.step, p.value, p.nan).where(p.run == number, p.key.in_(keys))
    if newest_first:
        order: tuple[sa.ColumnElement[Any], ...] = (p.at.desc(), p.step.desc(), p.key, p.value)
        query = query.limit(REMEMBERED)
    else:
        order = (p.at, p.step, p.key, p.value)
        query = query.limit(MOST)
    if after is None:
        query = query.where(p.at > since)
    else:
        key, at, step, value, _ = after
        query = query.where(p.at >= at, sa.tuple_(*order) > sa.tuple_(at, step, key, value))
    return [tuple(row) for row in conn.execute(query.order_by(*order))]
