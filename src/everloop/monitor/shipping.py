"""From the data plane's segment files to Parquet parts, each record exactly once.

A batch is read from where the segment was left, stored as a blob, and then the new part and the
new offset are written in one transaction, which first looks whether the offset is still the one
read from. A crash before it leaves a blob that nobody names; one after it leaves nothing to do.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    is_open,
    list_segments,
    read_segment,
)
from everloop.monitor.damage import Quarantine
from everloop.monitor.parts import feedback_frame, prediction_frame, to_parquet
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import serialise, upsert
from everloop.store.references import refer
from everloop.store.tables import log_offsets, log_parts

BATCH_BYTES = 16 << 20  # of records; what shipping holds in memory is a small multiple
KINDS: dict[str, Any] = {
    "predictions": msgspec.msgpack.Decoder(PredictionRecord),
    "feedback": msgspec.msgpack.Decoder(FeedbackRecord),
}
LOCK = "everloop.log"
ASKED = 500  # names of segments in one query
REST_S = 60.0  # that a segment is left alone before it is deleted


class Batch(msgspec.Struct, frozen=True):
    """Records of one segment between two offsets, by endpoint."""

    segment: str
    start: int
    stop: int
    frames: dict[str, pl.DataFrame]


class Shipper:
    """Ships every segment in ``folder/predictions`` and ``folder/feedback``.

    Several processes may ship the same folder at once; each record still arrives once.
    """

    def __init__(self, db: Database, blobs: Blobs, folder: Path, quarantine: Quarantine) -> None:
        self.db = db
        self.blobs = blobs
        self.folder = folder
        self.quarantine = quarantine
        self._shipped: dict[str, int] = {}  # bytes of a segment, at least; a segment only grows

    def ship(self) -> int:
        """Ship all that is there now; returns the number of rows and labels.

        Where no segment has grown since the last time, only their sizes are looked at.
        """
        found = self._segments()
        grown = {s: path for s, path in found.items() if _bytes(path) > self._shipped.get(s, 0)}
        offsets = self._offsets(grown)
        self._shipped = {s: stop for s, stop in self._shipped.items() if s in found} | offsets
        return sum(self._ship(segment, path) for segment, path in grown.items())

    def _ship(self, segment: str, path: Path) -> int:
        kind = segment.partition("/")[0]
        rows, stop = 0, self._shipped.get(segment, 0)
        if _bytes(path) <= stop:
            return 0
        for batch in self._batches(kind, path, segment, stop):
            new = self._commit(kind, batch)
            if new is None:
                return rows  # another process is at it
            rows, stop = rows + new, batch.stop
            self._shipped[segment] = stop
        if _bytes(path) > stop and _rests(path):
            self.quarantine.take_rest(path, stop)
        return rows

    def purge(self) -> int:
        """Delete segments that no writer has open and whose every record is shipped.

        Their offsets stay, so that a segment that is sent once more brings nothing.
        """
        gone = 0
        resting = {segment: path for segment, path in self._segments().items() if _rests(path)}
        offsets = self._offsets(resting)
        for segment, path in resting.items():
            start = offsets.get(segment, 0)
            if next(read_segment(path, start), None) is None:
                self.quarantine.take_rest(path, start)
                path.unlink(missing_ok=True)
                gone += 1
        return gone

    def _segments(self) -> dict[str, Path]:
        """The segments that are here, by the names that offsets have."""
        return {
            f"{kind}/{path.name}": path
            for kind in KINDS
            for path in list_segments(self.folder / kind)
        }

    def _offsets(self, segments: Collection[str]) -> dict[str, int]:
        """How far these are shipped. Offsets of all there ever were are kept: ask by name."""
        names, c = list(segments), log_offsets.c
        found: dict[str, int] = {}
        for start in range(0, len(names), ASKED):
            asked = c.segment.in_(names[start : start + ASKED])
            with self.db.read() as conn:
                rows = conn.execute(sa.select(c.segment, c.offset).where(asked))
                found |= {row.segment: row.offset for row in rows}
        return found

    def _batches(self, kind: str, path: Path, segment: str, start: int) -> Iterator[Batch]:
        records: list[Any] = []
        size, first, stop = 0, start, start
        for payload, after in read_segment(path, start):
            # A record may be whole and still none that this version can read.
            with contextlib.suppress(msgspec.MsgspecError):
                records.append(KINDS[kind].decode(payload))
            size, stop = size + len(payload), after
            if size >= BATCH_BYTES:
                yield Batch(segment, first, stop, _frames(kind, records))
                records, size, first = [], 0, stop
        if stop > first:
            yield Batch(segment, first, stop, _frames(kind, records))

    def _commit(self, kind: str, batch: Batch) -> int | None:
        """The rows that it brought; None when another process shipped some of it meanwhile."""

        def keep() -> list[str]:
            return [self.blobs.put(to_parquet(frame)) for frame in batch.frames.values()]

        def write(conn: sa.Connection, digests: Sequence[str]) -> int | None:
            serialise(conn, LOCK)
            now = now_ms()
            at = sa.select(log_offsets.c.offset).where(log_offsets.c.segment == batch.segment)
            if (conn.execute(at).scalar() or 0) != batch.start:
                return None
            for (endpoint, frame), digest in zip(batch.frames.items(), digests, strict=True):
                add_part(conn, kind, endpoint, frame, digest, now)
            conn.execute(
                upsert(log_offsets, ["segment"], ["offset", "updated"]),
                {"segment": batch.segment, "offset": batch.stop, "updated": now},
            )
            return sum(frame.height for frame in batch.frames.values())

        return refer(self.db, self.blobs, keep, write)


def add_part(
    conn: sa.Connection, kind: str, endpoint: str, frame: pl.DataFrame, digest: str, now: int
) -> None:
    """Enter a stored part under the next number, in the transaction of ``conn``."""
    mine = (log_parts.c.endpoint == endpoint) & (log_parts.c.kind == kind)
    newest = conn.execute(sa.select(sa.func.max(log_parts.c.part)).where(mine)).scalar()
    span = frame["time" if kind == "predictions" else "at"]
    conn.execute(
        sa.insert(log_parts).values(
            endpoint=endpoint,
            kind=kind,
            part=(newest or 0) + 1,
            digest=digest,
            rows=frame.height,
            first=span.min(),
            last=span.max(),
            created=now,
        )
    )


def _bytes(path: Path) -> int:
    """Its size; 0 when another process has deleted it."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _rests(path: Path) -> bool:
    """Whether a segment is complete, and was so for a while."""
    try:
        return time.time() - path.stat().st_mtime >= REST_S and not is_open(path)
    except FileNotFoundError:
        return False


def _frames(kind: str, records: list[Any]) -> dict[str, pl.DataFrame]:
    by_endpoint: dict[str, list[Any]] = {}
    for record in records:
        by_endpoint.setdefault(record.endpoint, []).append(record)
    build = prediction_frame if kind == "predictions" else feedback_frame
    frames = {endpoint: build(group) for endpoint, group in by_endpoint.items()}
    return {endpoint: frame for endpoint, frame in frames.items() if frame.height}
