"""Labels that come later, or for fewer rows, than they used to."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from stream_of_days import SPEC, T0, Stream

from everloop.data.segments import FeedbackRecord, encode_record
from everloop.monitor.coverage import read_coverage, spoken
from everloop.monitor.spans import DAY
from everloop.monitor.windows import Alert
from everloop.store.database import Database

HOUR = 3_600_000


@pytest.fixture
def stream(database: Database, tmp_path: Path) -> Stream:
    return Stream(database, tmp_path)


def send(stream: Stream, day: int, share: float = 0.9, hours: float = 2.0, n: int = 300) -> None:
    """A day of rows, and labels for a share of them after some hours."""
    stream.day(day, n=n, label=False)
    asked = T0 + (day + 1) * DAY - 1
    rng = np.random.default_rng(day)
    ids = [f"{day}-{i}" for i in range(n) if rng.random() < share]
    late = int(hours * HOUR * (1 + 0.2 * rng.random()))
    record = FeedbackRecord(at=asked + late, endpoint="e", ids=ids, labels=[True] * len(ids))
    stream._feedback.append(encode_record(record))


def told(alerts: list[Alert]) -> list[str]:
    return [f"{a.feature}: {a.summary}" for a in alerts if a.kind == "labels"]


def test_quiet_labels_raise_nothing(stream: Stream) -> None:
    found: list[str] = []
    for day in range(12):
        send(stream, day)
        found += told(stream.tick())
    assert found == []
    labels = read_coverage(stream.windows.get("e", T0 + 3 * DAY))
    assert labels is not None
    assert (labels.rows, labels.early, labels.corrected) == (300, 0, 0)
    assert labels.labelled == round(labels.coverage * 300) > 240
    assert 2 * 3600 < labels.delays[0] < 2.4 * 3600


def test_fewer_labels_are_told_once_and_later_ones_too(stream: Stream) -> None:
    found: list[str] = []
    for day in range(8):
        send(stream, day)
        found += told(stream.tick())
    for day in range(8, 11):
        send(stream, day, share=0.4)
        found += told(stream.tick())
    send(stream, 11, hours=9)
    for day in range(12, 15):
        send(stream, day)
    found += told(stream.tick())
    assert len(found) == 2, found
    assert found[0].startswith("(label coverage): labels came for 4")
    assert found[1].startswith("(label delay): labels take 9.") and "h at the median" in found[1]


def test_no_label_at_all_is_the_worst_coverage(stream: Stream) -> None:
    for day in range(7):
        send(stream, day)
        stream.tick()
    stream.day(7, n=300, label=False)
    stream.day(9, n=300, label=False)
    (found,) = told(stream.tick())
    assert found.startswith("(label coverage): labels came for 0.0% of the rows in time, ")


def test_a_correction_is_counted_in_its_window(stream: Stream) -> None:
    send(stream, 0, share=1.0)
    late = FeedbackRecord(at=T0 + 3 * DAY, endpoint="e", ids=["0-1", "0-2"], labels=[False, True])
    stream._feedback.append(encode_record(late))
    stream.day(1, n=300)
    stream.day(3, n=300)
    stream.tick(spec=SPEC)
    labels = read_coverage(stream.windows.get("e", T0))
    assert labels is not None and labels.corrected == 1
    assert labels.sentence().endswith("; 1 corrected")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(1.5, "1.5 s"), (300, "5 min"), (9_000, "2.5 h"), (864_000, "10 d"), (1e8, "1,157 d")],
)
def test_durations_are_spoken(seconds: float, text: str) -> None:
    assert spoken(seconds) == text
