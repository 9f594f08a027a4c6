"""The log of a data plane: bounded, rotated, and never in the way of an answer."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from everloop.data.segments import (
    FeedbackRecord,
    PredictionRecord,
    SegmentWriter,
    is_open,
    list_segments,
    read_segment,
)
from everloop.deploy.serving import journal as module
from everloop.deploy.serving.counts import Counts
from everloop.deploy.serving.journal import Journal
from everloop.errors import Unavailable


def record(id: str = "a") -> PredictionRecord:
    return PredictionRecord(
        at=1, request=id, endpoint="flights", version=1, arm="champion", ids=[id], times=None,
        columns={"x": [1.0]}, y=[1], p=None, ms=1.0,
    )  # fmt: skip


def written(folder: Path) -> int:
    paths = list_segments(folder / "predictions")
    return sum(1 for path in paths for _ in read_segment(path))


def test_a_full_log_sheds_until_room_is_made(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "INTERVAL_S", 0.01)
    counts = Counts()
    journal = Journal(tmp_path, counts, max_bytes=1000, limit=4000)
    for _ in range(100):
        journal.prediction(record())
    assert counts.losses_by_endpoint() == {"flights": {"full": 100 - written(tmp_path)}}
    assert journal.used < 4500
    labels = FeedbackRecord(at=1, endpoint="flights", ids=["a"], labels=[1])
    with pytest.raises(Unavailable, match="send the labels again later"):
        asyncio.run(journal.feedback(labels))
    shipped = [path for path in list_segments(tmp_path / "predictions") if not is_open(path)]
    for path in shipped:
        path.unlink()
    told = []
    journal.on_loss = lambda: told.append(counts.log_lost)

    async def until_told() -> None:
        running = asyncio.create_task(journal.run())
        while not told or journal.used >= 4000:
            await asyncio.sleep(0.01)
        running.cancel()

    asyncio.run(until_told())
    before = counts.log_lost
    journal.prediction(record())
    asyncio.run(journal.feedback(labels))
    assert counts.log_lost == before == told[-1]
    assert shipped


def test_a_disk_that_hangs_holds_no_answer_up(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "STALL_S", 0.05)
    release = threading.Event()
    monkeypatch.setattr(SegmentWriter, "sync", lambda self, closed=False: release.wait(20))
    counts = Counts()
    journal = Journal(tmp_path, counts, "always")

    async def answer_twice() -> None:
        with pytest.raises(Unavailable):
            await journal.feedback(FeedbackRecord(at=1, endpoint="flights", ids=["a"], labels=[1]))
        journal.prediction(record())
        await journal.committed()
        journal.prediction(record())
        await journal.committed()
        release.set()

    asyncio.run(answer_twice())
    assert counts.losses_by_endpoint() == {"": {"unsynced": 1}, "flights": {"stalled": 1}}


def test_one_fsync_serves_all_that_wait(tmp_path, monkeypatch):
    synced: list[int] = []
    sync = SegmentWriter.sync
    monkeypatch.setattr(
        SegmentWriter, "sync", lambda self, closed: (synced.append(1), sync(self, closed))[1]
    )
    journal = Journal(tmp_path, Counts(), "always")

    async def one() -> None:
        journal.prediction(record())
        await journal.committed()

    async def many() -> None:
        await asyncio.gather(*(one() for _ in range(200)))

    asyncio.run(many())
    assert written(tmp_path) == 200
    assert len(synced) <= 8  # two files, and a first commit that began before the others came


def test_a_segment_is_closed_by_its_age_and_locked_until_then(tmp_path):
    writer = SegmentWriter(tmp_path, "predictions", max_age=0.0)
    for _ in range(3):
        writer.append(b"one")
    first, second, third = list_segments(tmp_path)
    writer.sync()
    assert [is_open(path) for path in (first, second, third)] == [False, False, True]
    writer.close()
    assert not is_open(third)
