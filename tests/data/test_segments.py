"""The segment files of the prediction log: whole records only, whatever happens to the tail."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from everloop.data import segments
from everloop.data.segments import (
    Numbers,
    PredictionRecord,
    SegmentWriter,
    encode_record,
    list_segments,
    read_segment,
)


def payloads(folder: Path) -> list[bytes]:
    return [payload for path in list_segments(folder) for payload, _ in read_segment(path)]


def test_what_was_appended_is_read_back_and_reading_goes_on_at_an_offset(tmp_path):
    writer = SegmentWriter(tmp_path, "predictions")
    writer.append(b"one")
    (path,) = list_segments(tmp_path)
    [(payload, offset)] = read_segment(path)
    assert payload == b"one"
    writer.append(b"two")
    assert [payload for payload, _ in read_segment(path, offset)] == [b"two"]
    writer.close()


def test_each_cut_of_the_tail_leaves_the_records_before_it(tmp_path):
    writer = SegmentWriter(tmp_path, "p")
    for payload in (b"first", b"second"):
        writer.append(payload)
    writer.close()
    (path,) = list_segments(tmp_path)
    whole = path.read_bytes()
    first_end = next(iter(read_segment(path)))[1]
    for size in range(first_end, len(whole)):
        path.write_bytes(whole[:size])
        assert [payload for payload, _ in read_segment(path)] == [b"first"]


@settings(max_examples=30, deadline=None)
@given(
    records=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=10), data=st.data()
)
def test_a_flipped_byte_never_yields_a_wrong_record(tmp_path_factory, records, data):
    folder = tmp_path_factory.mktemp("log")
    writer = SegmentWriter(folder, "p")
    for record in records:
        writer.append(record)
    writer.close()
    (path,) = list_segments(folder)
    content = bytearray(path.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    path.write_bytes(content)
    found = [payload for payload, _ in read_segment(path)]
    assert found == records[: len(found)]


def test_zeros_at_the_end_are_no_records(tmp_path):
    writer = SegmentWriter(tmp_path, "p")
    writer.append(b"one")
    writer.close()
    (path,) = list_segments(tmp_path)
    path.write_bytes(path.read_bytes() + bytes(64))
    assert payloads(tmp_path) == [b"one"]


def test_segments_turn_by_size_and_sort_by_time(tmp_path):
    writer = SegmentWriter(tmp_path, "p", max_bytes=64)
    expected = [f"record {i:03d}".encode() for i in range(20)]
    for payload in expected:
        writer.append(payload)
    writer.close()
    assert len(list_segments(tmp_path)) > 3
    assert payloads(tmp_path) == expected


def test_two_processes_write_side_by_side_without_sharing_a_segment(tmp_path):
    code = (
        "import sys, pathlib; from everloop.data.segments import SegmentWriter\n"
        "w = SegmentWriter(pathlib.Path(sys.argv[1]), 'p', max_bytes=200)\n"
        "[w.append(f'{sys.argv[2]} {i}'.encode()) for i in range(300)]; w.close()"
    )
    running = [subprocess.Popen([sys.executable, "-c", code, str(tmp_path), name]) for name in "ab"]
    assert [process.wait(60) for process in running] == [0, 0]
    found = payloads(tmp_path)
    assert sorted(found) == sorted(f"{n} {i}".encode() for n in "ab" for i in range(300))


def test_a_full_disk_costs_the_record_and_not_the_ones_before_or_after(tmp_path, monkeypatch):
    writer = SegmentWriter(tmp_path, "p")
    writer.append(b"before")
    real_write = os.write
    left = [4]

    def full_disk(fd: int, data: bytes) -> int:
        if not left[0]:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = real_write(fd, data[: left[0]])
        left[0] -= count
        return count

    monkeypatch.setattr(segments.os, "write", full_disk)
    with pytest.raises(OSError, match="No space"):
        writer.append(b"lost")
    monkeypatch.undo()
    writer.append(b"after")
    writer.close()
    assert payloads(tmp_path) == [b"before", b"after"]


def test_fsync_waits_for_the_disk_once_an_append_and_once_for_many(tmp_path, monkeypatch):
    calls: list[int] = []
    writer = SegmentWriter(tmp_path, "p", fsync=True)
    writer.append(b"begins the segment")
    real = os.fsync
    monkeypatch.setattr(segments.os, "fsync", lambda fd: (calls.append(fd), real(fd))[1])
    writer.append(b"x")
    assert len(calls) == 1
    together = SegmentWriter(tmp_path, "q")
    together.append(b"begins the segment")
    together.sync()
    calls.clear()
    for _ in range(50):
        together.append(b"y")
    together.sync()
    together.sync()
    assert len(calls) == 1


def test_a_record_is_a_plain_map(tmp_path):
    record = PredictionRecord(
        at=1, request="r", endpoint="e", version=3, arm="canary", ids=["r"], times=None,
        columns={"age": [1.5]}, y=["yes"], p=[[0.1, 0.9]], ms=0.2,
    )  # fmt: skip
    assert msgspec.msgpack.decode(encode_record(record)) == {
        "v": 1, "at": 1, "request": "r", "endpoint": "e", "version": 3, "arm": "canary",
        "ids": ["r"], "times": None, "columns": {"age": [1.5]}, "y": ["yes"],
        "p": [[0.1, 0.9]], "ms": 0.2, "error": None, "rate": 1.0, "steps": None,
        "numbers": None, "marks": None,
    }  # fmt: skip


def test_numbers_may_be_packed_and_come_back_as_they_were_sent():
    given = np.array([[1.5, np.nan], [2.0, -3.0], [0.1, 1e300]])
    record = PredictionRecord(
        at=1, request="r", endpoint="e", version=3, arm="canary", ids=["a", "b", "c"], times=None,
        columns={"zone": ["x", None, "y"]}, y=[0, 1, 0], ms=0.2,
        p=np.array([[0.1, 0.9], [1.0, 0.0], [0.5, 0.5]]).tobytes(),
        numbers=Numbers(("age", "bmi"), given.tobytes()),
    )  # fmt: skip
    read = msgspec.msgpack.decode(encode_record(record), type=PredictionRecord).unpacked()
    assert read.columns == {
        "age": [1.5, 2.0, 0.1], "bmi": [None, -3.0, 1e300], "zone": ["x", None, "y"],
    }  # fmt: skip
    assert (read.p, read.numbers) == ([[0.1, 0.9], [1.0, 0.0], [0.5, 0.5]], None)
    assert read.unpacked() is read
