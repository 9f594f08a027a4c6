"""A damaged segment, and a damaged part: the good is read, the rest is set apart and named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from everloop.data.segments import (
    PredictionRecord,
    SegmentWriter,
    encode_record,
    list_segments,
)
from everloop.monitor.log import PredictionLog
from everloop.store.blobs import Blobs
from everloop.store.database import Database


@pytest.fixture
def log(database: Database, tmp_path: Path) -> PredictionLog:
    return PredictionLog(database, Blobs((tmp_path / "blobs").as_uri()), tmp_path / "log")


def write(folder: Path, ids: list[str]) -> Path:
    """A segment with one record for each id; its offset is in the middle of the last one."""
    writer = SegmentWriter(folder / "predictions", "predictions")
    for number, id in enumerate(ids):
        record = PredictionRecord(
            at=number, request=id, endpoint="e", version=1, arm="champion", ids=[id], times=None,
            columns={"x": [1.0]}, y=[1.0], p=None, ms=1.0,
        )  # fmt: skip
        writer.append(encode_record(record))
    writer.close()
    return list_segments(folder / "predictions")[-1]


def old(path: Path) -> None:
    os.utime(path, (1_000_000, 1_000_000))


def test_the_records_before_the_damage_are_read(log: PredictionLog, tmp_path: Path) -> None:
    path = write(tmp_path / "log", ["a", "b", "c", "d"])
    data = bytearray(path.read_bytes())
    size = (len(data) - 8) // 4
    data[8 + 2 * size + 30] ^= 255  # inside the third
    path.write_bytes(data)
    assert log.ship() == 2
    assert log.quarantine.listing() == []  # it is young: its writer may be at work
    old(path)
    assert log.ship() == 0
    (damage,) = log.quarantine.listing()
    assert damage.bytes == 2 * size and "predictions-" in damage.name
    assert "from byte" in damage.sentence() and "set apart" in damage.sentence()
    assert log.ship() == 0 and log.purge() == 1
    assert len(log.quarantine.listing()) == 1
    assert log.predictions("e")["id"].to_list() == ["a", "b"]


def test_a_whole_segment_leaves_nothing_behind(log: PredictionLog, tmp_path: Path) -> None:
    path = write(tmp_path / "log", ["a", "b"])
    old(path)
    assert log.ship() == 2 and log.purge() == 1
    assert log.quarantine.listing() == []


def test_a_damaged_part_is_left_out_and_named(log: PredictionLog, tmp_path: Path) -> None:
    write(tmp_path / "log", ["a"])
    log.ship()
    write(tmp_path / "log", ["b"])
    log.ship()
    first = log._parts("e", "predictions")[0]
    (blob,) = [
        p
        for p in (tmp_path / "blobs").rglob("*")
        if first.digest in p.name.replace("/", "") or first.digest.endswith(p.name)
    ]
    blob.write_bytes(b"PAR1 no more")
    assert log.predictions("e")["id"].to_list() == ["b"]
    (damage,) = log.quarantine.listing()
    assert damage.endpoint == "e" and "part 1 of the log" in damage.sentence()
    blob.unlink()
    assert log.predictions("e")["id"].to_list() == ["b"]
    assert len(log.quarantine.listing()) == 1
