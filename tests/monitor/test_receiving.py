"""Segments that come from another machine: each byte may come twice and counts once."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from everloop.data.segments import PredictionRecord, SegmentWriter, encode_record, list_segments
from everloop.errors import Conflict, InvalidInput
from everloop.monitor.log import PredictionLog
from everloop.monitor.receiving import Receiver, Size
from everloop.store.blobs import Blobs
from everloop.store.database import Database


def written(folder: Path, ids: range) -> tuple[str, bytes]:
    """A segment's name and bytes, a record for each id."""
    writer = SegmentWriter(folder, "predictions")
    for id in ids:
        record = PredictionRecord(
            at=id, request=f"r{id}", endpoint="e", version=1, arm="champion", ids=[f"r{id}"],
            times=None, columns={"x": [1.5]}, y=[1], p=None, ms=1.0,
        )  # fmt: skip
        writer.append(encode_record(record))
    writer.close()
    (path,) = list_segments(folder)
    return path.name, path.read_bytes()


def test_a_segment_goes_on_after_its_shipped_part_was_deleted(
    database: Database, blobs: Blobs, tmp_path: Path
) -> None:
    name, data = written(tmp_path / "edge", range(10))
    home = tmp_path / "home"
    receiver, log = Receiver(database, home), PredictionLog(database, blobs, home)
    half = len(data) // 2 + 3  # in the middle of a record
    assert receiver.size("predictions", name) == Size(0)
    assert receiver.append("predictions", name, 0, data[:half]) == Size(half)
    with pytest.raises(Conflict, match=f"expected {half}"):
        receiver.append("predictions", name, 0, data[:half])
    shipped = log.ship()
    assert 0 < shipped < 10
    hour_ago = time.time() - 3600
    os.utime(home / "predictions" / name, (hour_ago, hour_ago))
    assert log.purge() == 1
    (at,) = {receiver.size("predictions", name).size}
    assert 0 < at < half  # the record that was cut off comes again
    receiver.append("predictions", name, at, data[at:])
    assert log.ship() == 10 - shipped
    assert sorted(log.predictions("e")["id"]) == sorted(f"r{id}" for id in range(10))
    other = Receiver(database, tmp_path / "another server")
    assert other.size("predictions", name) == Size(len(data))


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("predictions", "../../etc/passwd"),
        ("predictions", "feedback-00000000000000000001-00000000.seg"),
        ("secrets", "predictions-00000000000000000001-00000000.seg"),
        ("predictions", "predictions-00000000000000000001-00000000.seg\n"),
    ],
)
def test_a_name_that_no_segment_has_is_refused(
    sqlite_database: Database, tmp_path: Path, kind: str, name: str
) -> None:
    receiver = Receiver(sqlite_database, tmp_path / "log")
    with pytest.raises(InvalidInput):
        receiver.append(kind, name, 0, b"x")
    assert not (tmp_path / "log").exists()
