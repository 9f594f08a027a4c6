"""What becomes of the log with time: old parts go, small ones become large ones.

Readers know parts by number, and some go on from the highest number they have seen. So a number
is never given twice (of an endpoint whose rows are all gone an empty part keeps the highest), and
parts are merged only when they are a day old, into the highest number of them: whoever reads at
least once a day counts no row twice and misses none.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from everloop.errors import Integrity, NotFound
from everloop.monitor.parts import feedback_frame, from_parquet, prediction_frame, to_parquet
from everloop.monitor.shipping import KINDS, LOCK
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import serialise
from everloop.store.events import EventLog
from everloop.store.references import free
from everloop.store.tables import log_parts

DAY = 86_400_000
LEAST = 8  # parts that are worth a merge
ROWS = 500_000  # of a merged part, at most
CELLS = 20_000_000  # the same by rows and columns, which is what it takes of memory
LINGER_S = 3600.0  # that a merged part's blob stays, for those who have it in their list


class Expired(msgspec.Struct, frozen=True):
    """What was deleted, or would be."""

    parts: int = 0
    rows: int = 0


class LogKeeper:
    """Retention and compaction of the parts in the store; may be killed at any point."""

    def __init__(self, db: Database, blobs: Blobs, events: EventLog) -> None:
        self.db = db
        self.blobs = blobs
        self.events = events
        self._merged: list[tuple[float, list[str]]] = []

    # -- retention -------------------------------------------------------------------------------

    def expire(
        self, endpoint: str, keep: int, actor: str, *, dry_run: bool = False, now: int | None = None
    ) -> Expired:
        """Delete rows and labels that came more than ``keep`` milliseconds ago, as an event.

        Whole parts go, once the newest of their rows is that old.
        """
        before = (now_ms() if now is None else now) - keep
        old = log_parts.c.created < before
        parts = [
            p for kind in KINDS for p in self._parts(endpoint, kind, old, log_parts.c.rows > 0)
        ]
        expired = Expired(len(parts), sum(part.rows for part in parts))
        if not parts or dry_run:
            return expired
        nothing = {
            "predictions": self.blobs.put(to_parquet(prediction_frame([]))),
            "feedback": self.blobs.put(to_parquet(feedback_frame([]))),
        }
        with self.events.transaction() as conn:
            serialise(conn, LOCK)
            for kind, digest in nothing.items():
                gone = [part.part for part in parts if part.kind == kind]
                if gone:
                    _forget(conn, endpoint, kind, gone, digest)
            self.events.append(
                conn, actor=actor, kind="log.expired", subject=f"endpoint:{endpoint}",
                payload={"parts": expired.parts, "rows": expired.rows, "before": before},
            )  # fmt: skip
        free(self.db, self.blobs, {part.digest for part in parts})
        return expired

    # -- compaction ------------------------------------------------------------------------------

    def mergeable(self, now: int | None = None) -> set[str]:
        """The endpoints that may have parts to merge, by one query for all."""
        c, before = log_parts.c, (now_ms() if now is None else now) - DAY
        query = sa.select(c.endpoint).where(c.created < before, c.rows > 0)
        query = query.group_by(c.endpoint, c.kind).having(sa.func.count() >= LEAST)
        with self.db.read() as conn:
            return set(conn.scalars(query))

    def compact(self, endpoint: str, now: int | None = None) -> int:
        """Merge small parts that are a day old; returns how many there are less."""
        before = (now_ms() if now is None else now) - DAY
        less = 0
        for kind in KINDS:
            old = self._parts(endpoint, kind, log_parts.c.created < before, log_parts.c.rows > 0)
            for run in _runs(old):
                while run:
                    taken = self._merge(run)
                    less += taken - 1
                    run = run[taken:]
        return less

    def _merge(self, run: list[Any]) -> int:
        """Merge the first ones that fit each other; returns their number."""
        taken: list[Any] = []
        frames: list[pl.DataFrame] = []
        blobs: list[bytes] = []
        types: dict[str, pl.DataType] = {}
        for part in run:
            try:
                data = self.blobs.get(part.digest)
            except (Integrity, NotFound):
                break  # readers leave it out, and nothing is merged into it
            frame = from_parquet(data)
            rows = sum(f.height for f in frames) + frame.height
            if frames and (not _fits(types, frame) or rows * frame.width > CELLS):
                break
            types.update({n: d for n, d in frame.schema.items() if d != pl.Null})
            taken.append(part)
            frames.append(frame)
            blobs.append(data)
        if len(taken) < 2:
            return 1
        digest = self.blobs.put(to_parquet(pl.concat(frames, how="diagonal_relaxed")))
        if not self._replace(taken, digest):
            return 1
        for data in blobs:
            self.blobs.put(data)  # young again, so that nobody deletes it under a reader
        gone = [part.digest for part in taken]
        self._merged.append((time.monotonic(), gone))
        return len(taken)

    def _replace(self, taken: list[Any], digest: str) -> bool:
        last = taken[-1]
        where = (log_parts.c.endpoint == last.endpoint) & (log_parts.c.kind == last.kind)
        numbers = [part.part for part in taken]
        with self.db.write() as conn:
            serialise(conn, LOCK)
            query = sa.select(log_parts.c.part, log_parts.c.digest).where(where)
            query = query.where(log_parts.c.part.between(numbers[0], numbers[-1]))
            if {tuple(row) for row in conn.execute(query)} != {(p.part, p.digest) for p in taken}:
                return False  # another process merged or deleted them meanwhile
            conn.execute(sa.delete(log_parts).where(where, log_parts.c.part.in_(numbers[:-1])))
            conn.execute(
                sa.update(log_parts)
                .where(where, log_parts.c.part == last.part)
                .values(
                    digest=digest,
                    rows=sum(part.rows for part in taken),
                    first=min(part.first for part in taken),
                    last=max(part.last for part in taken),
                    created=max(part.created for part in taken),
                )
            )
        return True

    def let_go(self) -> None:
        """Delete the blobs of parts that were merged long ago. What a killed process leaves is
        deleted with other blobs that nobody refers to."""
        due = time.monotonic() - LINGER_S
        old = [digests for when, digests in self._merged if when <= due]
        self._merged = [(when, digests) for when, digests in self._merged if when > due]
        for digests in old:
            free(self.db, self.blobs, digests)

    def _parts(self, endpoint: str, kind: str, *where: sa.ColumnElement[bool]) -> list[Any]:
        mine = (log_parts.c.endpoint == endpoint) & (log_parts.c.kind == kind)
        with self.db.read() as conn:
            query = sa.select(log_parts).where(mine, *where).order_by(log_parts.c.part)
            return list(conn.execute(query))


def _forget(conn: sa.Connection, endpoint: str, kind: str, gone: list[int], nothing: str) -> None:
    """Delete parts; should the newest be among them, an empty one keeps its number."""
    mine = (log_parts.c.endpoint == endpoint) & (log_parts.c.kind == kind)
    newest = conn.execute(sa.select(sa.func.max(log_parts.c.part)).where(mine)).scalar_one()
    for start in range(0, len(gone), 500):
        batch = [number for number in gone[start : start + 500] if number != newest]
        conn.execute(sa.delete(log_parts).where(mine, log_parts.c.part.in_(batch)))
    if newest in gone:
        empty = sa.update(log_parts).where(mine, log_parts.c.part == newest)
        conn.execute(empty.values(rows=0, digest=nothing))


def _runs(parts: list[Any]) -> Iterator[list[Any]]:
    """Neighbours that are merged together, as many as make a part of ``ROWS`` rows."""
    run: list[Any] = []
    rows = 0
    for part in parts:
        if run and rows + part.rows > ROWS:
            if len(run) >= LEAST:
                yield run
            run, rows = [], 0
        run.append(part)
        rows += part.rows
    if len(run) >= LEAST:
        yield run


def _fits(types: dict[str, pl.DataType], frame: pl.DataFrame) -> bool:
    """Whether the columns have the types they had before; a column without a value fits any."""
    return all(
        dtype == pl.Null or types.get(name, dtype) == dtype for name, dtype in frame.schema.items()
    )
