"""The drift of labels, once they have come."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from stream_of_days import SCHEMA, SPEC, T0, Stream, accuracy

from everloop.monitor.cause.explain import Known, explain_alert
from everloop.monitor.estimation.heldout import hold
from everloop.monitor.gauges import Gauge
from everloop.monitor.judging import Judging
from everloop.monitor.label_drift import LABEL
from everloop.monitor.spans import DAY
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert
from everloop.store.database import Database


@pytest.fixture
def stream(sqlite_url: str, tmp_path: Path) -> Iterator[Stream]:
    database = Database(sqlite_url)
    yield Stream(database, tmp_path)
    database.close()


def held_out(stream: Stream) -> Judging:
    """Half of the labels are true."""
    frame = pl.DataFrame(stream.columns(2_000))
    answers = np.arange(2_000) % 2
    truth = np.where(np.random.default_rng(2).random(2_000) < 0.8, answers, 1 - answers)
    p = np.column_stack([1.0 - answers, answers]).astype(float)
    held = hold(frame, SCHEMA, truth, answers, p)
    return Judging((Gauge("accuracy", accuracy, True, (0.0, 1.0)),), held)


def watched(stream: Stream, days: int, spec: MonitorSpec = SPEC) -> list[Alert]:
    """What is told of labels that are true in three of four rows from the third day on."""
    judging, told = held_out(stream), []
    for day in range(days):
        stream.day(day, true=0.5 if day < 3 else 0.9)
        told += [a for a in stream.tick(judging=judging, spec=spec) if a.feature == LABEL]
    return told


def test_labels_that_come_more_often_are_told_once(stream: Stream) -> None:
    (alert,) = watched(stream, 8)
    assert (alert.kind, alert.severity, alert.window) == ("drift", "warning", T0 + 3 * DAY)
    assert "False 49" in alert.summary and alert.evidence["test"] == "chi_square"
    quiet, moved = stream.windows.get("e", T0 + 2 * DAY), stream.windows.get("e", T0 + 3 * DAY)
    assert LABEL not in quiet.drifting and quiet.checks["drift"][LABEL]["p_value"] > 0.001
    assert moved.drifting == [LABEL]
    assert LABEL not in stream.windows.get("e", T0 + 6 * DAY).checks["drift"]  # not due yet
    known = Known(
        stream.log, stream.windows, SCHEMA, frozenset(), None, None, lambda at: [], lambda key: None
    )
    since = explain_alert(known, alert).since
    assert since is not None and abs(since.at - (T0 + 3 * DAY)) < DAY / 10


def test_rows_that_come_late_leave_what_the_labels_said(stream: Stream) -> None:
    watched(stream, 6)
    before = stream.windows.get("e", T0 + 3 * DAY)
    stream.day(3, n=40, label=False)
    stream.tick(judging=held_out(stream))
    after = stream.windows.get("e", T0 + 3 * DAY)
    assert after.rows == 1_040 and after.checks["label_chain"] == before.checks["label_chain"]
    assert after.checks["drift"][LABEL] == before.checks["drift"][LABEL]


def test_a_moving_reference_takes_the_new_labels_for_normal(stream: Stream) -> None:
    spec = MonitorSpec(window="1d", reference="rolling")
    (alert,) = watched(stream, 8, spec)
    assert alert.window == T0 + 3 * DAY
    first, later = (
        stream.windows.get("e", T0 + day * DAY).checks["drift"][LABEL]["effect"] for day in (3, 5)
    )
    assert later < first


def test_few_labels_and_no_held_out_rows_say_nothing(stream: Stream) -> None:
    judging = held_out(stream)
    for day in range(3):
        stream.day(day, label=False)
        stream.label([f"{day}-{i}" for i in range(200)], [True] * 200)  # one kind comes first
        assert stream.tick(judging=judging) == [] or day == 2
    stream.day(3)
    stream.tick()
    for window in stream.windows.page("e"):
        assert LABEL not in window.checks["drift"]
