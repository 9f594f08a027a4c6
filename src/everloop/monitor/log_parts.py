"""The stored parts of the prediction log: which there are, when their rows were, and their content.

Times of parts are in the database, so that only those parts are opened whose rows may count.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import msgspec
import numpy as np
import polars as pl
import sqlalchemy as sa

from everloop.errors import Integrity, NotFound
from everloop.monitor.damage import Quarantine
from everloop.monitor.parts import from_parquet, prediction_frame, to_parquet
from everloop.monitor.selection import Selection
from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.store.tables import log_parts


class Extent(msgspec.Struct, frozen=True):
    """How far an endpoint's log goes: event times, and the newest part of each kind."""

    first: int
    last: int
    parts: int
    feedback_parts: int


class Sized(NamedTuple):
    """Rows of one kind, and the times (ms) of the first and the last."""

    rows: int
    first: int
    last: int


class Part(msgspec.Struct, frozen=True):
    """A stored part of the log; ``first`` and ``last`` are times inside."""

    number: int
    digest: str
    first: int
    last: int
    endpoint: str = ""


class LogParts:
    """The part of a :class:`~everloop.monitor.log.PredictionLog` that is about its parts."""

    db: Database
    blobs: Blobs
    quarantine: Quarantine

    def extent(self, endpoint: str) -> Extent | None:
        """None while nothing was predicted. One query, whatever the log's size."""
        query = (
            sa.select(
                log_parts.c.kind,
                sa.func.min(log_parts.c.first),
                sa.func.max(log_parts.c.last),
                sa.func.max(log_parts.c.part),
            )
            .where(log_parts.c.endpoint == endpoint)
            .group_by(log_parts.c.kind)
        )
        with self.db.read() as conn:
            found = {kind: rest for kind, *rest in conn.execute(query)}
        if "predictions" not in found:
            return None
        first, last, parts = found["predictions"]
        return Extent(first, last, parts, found["feedback"][2] if "feedback" in found else 0)

    def sizes(self, endpoint: str) -> dict[str, Sized]:
        """How much there is of each kind, ``predictions`` and ``feedback``; one query."""
        c = log_parts.c
        query = (
            sa.select(c.kind, sa.func.sum(c.rows), sa.func.min(c.first), sa.func.max(c.last))
            .where(c.endpoint == endpoint)
            .group_by(c.kind)
        )
        with self.db.read() as conn:
            return {kind: Sized(int(rows), *rest) for kind, rows, *rest in conn.execute(query)}

    def grown(self, since: int) -> set[str]:
        """The endpoints whose log got parts at ``since`` (ms, by the clock) or later."""
        query = sa.select(log_parts.c.endpoint).where(log_parts.c.created >= since).distinct()
        with self.db.read() as conn:
            return set(conn.scalars(query))

    def fresh(
        self, endpoint: str, after: int = 0, since: int = 0
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """The parts numbered above ``after``, one at a time, each with its number.

        Of them the rows of requests that came at ``since`` (ms) or later, failed ones and shadows'
        too, with ``id, request, version, arm, at, y, latency, error``. A part that is damaged or
        gone raises :class:`~everloop.errors.Integrity` or NotFound: who judges a rollout must not
        count as if it had never been.
        """
        names = ["id", "request", "version", "arm", "at", "y", "latency", "error"]
        where = (log_parts.c.part > after, log_parts.c.created >= since)
        for part in self._parts(endpoint, "predictions", *where):
            rows = from_parquet(self.blobs.get(part.digest), names)
            yield part.number, rows.filter(pl.col("at") >= since)

    def next_time(self, endpoint: str, start: int) -> int | None:
        """The first event time at or after ``start``, or None."""
        least: int | None = None
        for part in self._parts(endpoint, "predictions", log_parts.c.last >= start):
            if least is not None and part.first >= least:
                continue
            first = part.first
            if first < start:
                times = from_parquet(self._read(part), ["time"])["time"]
                first = times.filter(times >= start).min()  # type: ignore[assignment]
            least = first if least is None else min(least, first)
        return least

    def time_of_row(self, endpoint: str, start: int, rows: int) -> int | None:
        """The time of the ``rows``-th answered row at or after ``start``; None before there is.

        Parts are opened in the order of their first rows, and none after it.
        """
        selection = Selection(start, meta=("time",))
        parts = sorted(self._overlapping(endpoint, selection), key=lambda part: part.first)
        times = np.empty(0, dtype=np.int64)
        for place, part in enumerate(parts):
            found = selection.read(self._read(part), features=False)["time"]
            times = np.sort(np.concatenate([times, found.cast(pl.Int64).to_numpy()]))
            following = parts[place + 1].first if place + 1 < len(parts) else None
            if len(times) >= rows and (following is None or times[rows - 1] < following):
                return int(times[rows - 1])
        return None

    def newest_part(self, endpoint: str, start: int, end: int) -> int:
        """Number of the newest part with times in ``[start, end)``; 0 when there is none."""
        inside = (log_parts.c.last >= start) & (log_parts.c.first < end)
        return max((p.number for p in self._parts(endpoint, "predictions", inside)), default=0)

    def _parts(self, endpoint: str, kind: str, *where: sa.ColumnElement[bool]) -> list[Part]:
        query = (
            sa.select(log_parts.c.part, log_parts.c.digest, log_parts.c.first, log_parts.c.last)
            .where(log_parts.c.endpoint == endpoint, log_parts.c.kind == kind, *where)
            .order_by(log_parts.c.part)
        )
        with self.db.read() as conn:
            return [Part(*row, endpoint) for row in conn.execute(query)]

    def _read(
        self, part: Part, empty: Callable[[list[Any]], pl.DataFrame] = prediction_frame
    ) -> bytes:
        """A part's content; that of an ``empty`` one, and a note, where it is damaged or gone."""
        try:
            return self.blobs.get(part.digest)
        except (Integrity, NotFound) as error:
            why = "it is gone" if isinstance(error, NotFound) else "its content was changed"
            self.quarantine.note_part(part.endpoint, part.number, part.digest, why)
            return to_parquet(empty([]))

    def _overlapping(self, endpoint: str, selection: Selection) -> list[Part]:
        """The parts whose times overlap the selection's."""
        where = []
        if selection.start is not None:
            where.append(log_parts.c.last >= selection.start)
        if selection.end is not None:
            where.append(log_parts.c.first < selection.end)
        return self._parts(endpoint, "predictions", *where)


def newest_first(parts: list[Part]) -> list[Part]:
    return sorted(parts, key=lambda part: (part.last, part.number), reverse=True)
