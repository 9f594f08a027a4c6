"""Retention and compaction of the log's parts, and what readers notice of them: nothing."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    encode_record,
    list_segments,
)
from everloop.monitor import keeping
from everloop.monitor.keeping import DAY, LogKeeper
from everloop.monitor.log import PredictionLog
from everloop.registry.signing import Keys
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import log_parts


class Kept:
    """A log with its keeper, written to part by part."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db, self.blobs = db, Blobs((folder / "blobs").as_uri())
        self.events = EventLog(db, Keys.load_or_create(folder / "keys"))
        self.folder = folder / "log"
        self.log = PredictionLog(db, self.blobs, self.folder)
        self.keeper = LogKeeper(db, self.blobs, self.events)
        self.predictions = SegmentWriter(self.folder / "predictions", "predictions")
        self.feedback = SegmentWriter(self.folder / "feedback", "feedback")

    def part(self, number: int, value: object = 1.5) -> None:
        id = f"id-{number}"
        record = PredictionRecord(
            at=number, request=id, endpoint="e", version=1, arm="champion", ids=[id],
            times=None, columns={"x": [value]}, y=[number], p=None, ms=1.0,
        )  # fmt: skip
        self.predictions.append(encode_record(record))
        label = FeedbackRecord(at=number, endpoint="e", ids=[id], labels=[number])
        self.feedback.append(encode_record(label))
        assert self.log.ship() == 2

    def numbers(self, kind: str = "predictions") -> list[int]:
        query = sa.select(log_parts.c.part).where(log_parts.c.kind == kind)
        with self.db.read() as conn:
            return list(conn.execute(query.order_by(log_parts.c.part)).scalars())

    def stored(self) -> int:
        return sum(len(page) for page in self.blobs.scan())


@pytest.fixture
def kept(database: Database, tmp_path: Path) -> Kept:
    return Kept(database, tmp_path)


def test_readers_see_the_same_rows_after_compaction(kept: Kept, monkeypatch) -> None:
    for number in range(1, 11):
        kept.part(number)
    before, extent = kept.log.predictions("e"), kept.log.extent("e")
    assert kept.keeper.compact("e") == 0  # not a day old
    listed = kept.log._parts("e", "predictions")
    later = now_ms() + DAY + 1000
    assert (kept.keeper.mergeable(), kept.keeper.mergeable(now=later)) == (set(), {"e"})
    assert kept.keeper.compact("e", now=later) == 18
    assert kept.numbers() == kept.numbers("feedback") == [10]
    assert kept.log.extent("e") == extent
    assert kept.log.predictions("e").equals(before)
    assert kept.log.labels("e")["label"].sort().to_list() == list(range(1, 11))
    assert all(kept.blobs.exists(part.digest) for part in listed)  # who has the list reads on
    kept.part(11)
    assert kept.numbers() == [10, 11]
    monkeypatch.setattr(keeping, "LINGER_S", 0.0)
    kept.keeper.let_go()
    assert kept.keeper.mergeable(now=later) == set()
    assert kept.stored() == 4
    assert kept.log.predictions("e").height == 11


def test_parts_whose_types_differ_stay_apart(kept: Kept) -> None:
    for number in range(1, 21):
        kept.part(number, value=1.5 if number <= 10 else "x")
    kept.keeper.compact("e", now=now_ms() + DAY + 1000)
    assert kept.numbers() == [10, 20]
    assert kept.log.predictions("e").height == 20


def test_old_rows_are_deleted_with_their_blobs_and_numbers_go_on(kept: Kept) -> None:
    for number in range(1, 4):
        kept.part(number)
    assert kept.keeper.expire("e", DAY, "test") == keeping.Expired()
    later = now_ms() + DAY + 1000
    dry = kept.keeper.expire("e", DAY, "test", dry_run=True, now=later)
    assert (dry.parts, dry.rows, kept.log.predictions("e").height) == (6, 6, 3)
    assert kept.keeper.expire("e", DAY, "test", now=later) == dry
    assert kept.log.predictions("e").height == kept.log.labels("e").height == 0
    assert kept.stored() == 2  # two empty parts, which keep the numbers
    assert kept.keeper.expire("e", DAY, "test", now=later) == keeping.Expired()
    (event,) = kept.events.page()
    assert (event.kind, event.payload["rows"]) == ("log.expired", 6)
    kept.part(4)
    assert kept.numbers() == [3, 4]
    assert kept.log.predictions("e")["id"].to_list() == ["id-4"]


def test_shipped_segments_leave_the_disk_once_they_are_closed(kept: Kept) -> None:
    kept.part(1)
    (segment,) = list_segments(kept.folder / "predictions")
    hour_ago = time.time() - 3600
    os.utime(segment, (hour_ago, hour_ago))
    assert kept.log.purge() == 0  # its writer lives
    kept.predictions.close()
    with segment.open("ab") as file:
        file.write(b"\x09\x00\x00\x00half")  # a record that a power cut left
    kept_mtime = segment.stat().st_mtime
    assert kept_mtime > hour_ago
    assert kept.log.purge() == 0  # a moment ago it was still written
    os.utime(segment, (hour_ago, hour_ago))
    assert kept.log.purge() == 1
    assert kept.log.ship() == 0
    assert kept.log.predictions("e").height == 1
