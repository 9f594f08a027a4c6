"""Predictions whose request and response come apart, from a server that is not everloop's.

Each half waits in the database for the other one, whichever comes first, and a half that comes
twice counts once. Pairs become parts of the log in the transaction that forgets their halves, so
each is in the log once whatever is killed when; should both halves come again later, the log knows
the request by its name and counts it once. A half that stays alone, as the request of a call that
failed does, is forgotten after :data:`ALONE_MS`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import msgspec
import polars as pl
import sqlalchemy as sa

from everloop.data.segments import PredictionRecord
from everloop.monitor.parts import prediction_frame, to_parquet
from everloop.monitor.shipping import LOCK, add_part
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore, serialise
from everloop.store.references import refer
from everloop.store.tables import log_halves

ALONE_MS = 86_400_000
PAIRS = 5_000  # of a part
_H = log_halves.c
_KEY = (_H.endpoint, _H.request)


class Asked(msgspec.Struct, frozen=True):
    """A request of so many ``rows``; the record's ``y`` are the places of those that are kept."""

    record: PredictionRecord
    rows: int


class Answers(msgspec.Struct, frozen=True):
    """A response: an answer a row, their probabilities, and when it was given (ms)."""

    at: int
    y: list[Any]
    p: list[list[float]] | None


class Half(NamedTuple):
    """One of the two, by the name that both have."""

    request: str
    half: Literal["request", "response"]
    data: Asked | Answers


class Halves:
    """What waits for its other half; safe to share between threads and processes."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs

    def add(self, endpoint: str, halves: Sequence[Half]) -> int:
        """Keep them; returns how many were not there yet."""
        now = now_ms()
        rows = [
            {
                "endpoint": endpoint, "request": one.request, "half": one.half, "created": now,
                "data": msgspec.msgpack.encode(one.data),
            }
            for one in halves
        ]  # fmt: skip
        new = insert_or_ignore(log_halves).returning(_H.half)
        with self.db.write() as conn:
            return sum(conn.execute(new.values(row)).first() is not None for row in rows)

    def join(self) -> int:
        """Bring every pair into the log; returns the number of rows."""
        rows = 0
        while pairs := self._pairs():
            frames = _frames(pairs)
            written = self._write(pairs, frames)
            if written is None:
                break  # another process is at it
            rows += written
        return rows

    def forget(self, now: int | None = None) -> int:
        """Delete what has been alone for too long; returns how many."""
        before = (now_ms() if now is None else now) - ALONE_MS
        with self.db.write() as conn:
            return int(conn.execute(sa.delete(log_halves).where(_H.created < before)).rowcount)

    def _pairs(self) -> list[sa.Row[Any]]:
        """Endpoint, request and both halves, as they came."""
        other = log_halves.alias()
        query = (
            sa.select(*_KEY, _H.data, other.c.data.label("response"))
            .join(other, (other.c.endpoint == _H.endpoint) & (other.c.request == _H.request))
            .where(_H.half == "request", other.c.half == "response")
            .order_by(_H.created)
            .limit(PAIRS)
        )
        with self.db.read() as conn:
            return list(conn.execute(query))

    def _write(self, pairs: list[sa.Row[Any]], frames: dict[str, pl.DataFrame]) -> int | None:
        mine = [{"e": pair.endpoint, "r": pair.request} for pair in pairs]
        one = (_H.endpoint == sa.bindparam("e")) & (_H.request == sa.bindparam("r"))

        def keep() -> list[str]:
            return [self.blobs.put(to_parquet(frame)) for frame in frames.values()]

        def write(conn: sa.Connection, digests: Sequence[str]) -> int | None:
            serialise(conn, LOCK)
            # Pairs are forgotten whole and under this lock, so the first one tells of all.
            first = sa.select(_H.request).where(one)
            if conn.execute(first, mine[0]).first() is None:
                return None
            now = now_ms()
            for (endpoint, frame), digest in zip(frames.items(), digests, strict=True):
                add_part(conn, "predictions", endpoint, frame, digest, now)
            conn.execute(sa.delete(log_halves).where(one), mine)
            return sum(frame.height for frame in frames.values())

        return refer(self.db, self.blobs, keep, write)


def _frames(pairs: list[sa.Row[Any]]) -> dict[str, pl.DataFrame]:
    by_endpoint: dict[str, list[PredictionRecord]] = defaultdict(list)
    for pair in pairs:
        asked = msgspec.msgpack.decode(pair.data, type=Asked)
        said = msgspec.msgpack.decode(pair.response, type=Answers)
        by_endpoint[pair.endpoint].append(_whole(asked, said))
    frames = {endpoint: prediction_frame(records) for endpoint, records in by_endpoint.items()}
    return {endpoint: frame for endpoint, frame in frames.items() if frame.height}


def _whole(asked: Asked, said: Answers) -> PredictionRecord:
    """The request with its answers, or with what is wrong with them."""
    record = asked.record
    ms = float(max(said.at - record.at, 0))
    if len(said.y) != asked.rows:
        error = f"The response has {len(said.y)} answers to {asked.rows} rows."
        return msgspec.structs.replace(record, ms=ms, y=[], error=error)
    y = [said.y[place] for place in record.y]
    p = None if said.p is None else [said.p[place] for place in record.y]
    return msgspec.structs.replace(record, ms=ms, y=y, p=p)
