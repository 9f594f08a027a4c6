"""Watching a stream through real segments, databases and blobs."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from stream_of_days import BASELINE, NAMES, SCHEMA, SPEC, T0, Stream, accuracy

from counting import calls
from everloop.data.schema import Feature, Schema
from everloop.monitor.estimation.heldout import hold
from everloop.monitor.gauges import Gauge
from everloop.monitor.inputs import Chain, inspect
from everloop.monitor.judging import Judging
from everloop.monitor.performance import Baseline
from everloop.monitor.profile import profile
from everloop.monitor.spans import DAY
from everloop.monitor.spec import MonitorSpec, PerformanceSpec
from everloop.monitor.watch import Watch
from everloop.monitor.windows import Alert
from everloop.store.database import Database
from everloop.store.events import EventLog


@pytest.fixture
def stream(database: Database, tmp_path: Path) -> Stream:
    return Stream(database, tmp_path)


def times(name: str, factor: float) -> Callable[[dict[str, list[Any]]], None]:
    def change(columns: dict[str, list[Any]]) -> None:
        columns[name] = [value * factor for value in columns[name]]

    return change


def shift(columns: dict[str, list[Any]]) -> None:
    columns["x0"] = [min(199.0, value + 60) for value in columns["x0"]]


def test_a_window_is_looked_at_when_it_is_over(stream: Stream) -> None:
    stream.day(0)
    assert stream.tick() == []
    assert stream.windows.latest("e") is None
    stream.day(1)
    assert stream.tick() == []
    window = stream.windows.get("e", T0)
    assert (window.end, window.rows, window.quarantined) == (T0 + DAY, 1_000, False)
    assert window.performance is not None and window.performance["state"] == "waiting"
    assert set(window.checks["drift"]) == {*NAMES, "place"}


def test_quiet_days_raise_nothing_and_are_measured(stream: Stream) -> None:
    for day in range(12):
        stream.day(day)
        assert stream.tick() == []
    windows = stream.windows.page("e")
    assert [w.start for w in windows] == [T0 + day * DAY for day in reversed(range(11))]
    measured = [w for w in windows if w.performance and w.performance["state"] == "done"]
    assert len(measured) == 10  # labels are due a day after the end of their day
    assert all(w.labelled == 1_000 for w in measured)
    assert [
        w.performance["chain"]["spending"]["tested"] for w in measured if w.performance
    ] == list(range(10, 0, -1))
    assert stream.windows.quarantined("e") == []


def test_drift_is_told_once_with_its_feature(stream: Stream) -> None:
    told = []
    for day in range(6):
        stream.day(day, change=shift if day >= 2 else None)
        told += stream.tick()
    assert [(a.kind, a.feature, a.window) for a in told] == [("drift", "x0", T0 + 2 * DAY)]
    assert told[0].summary.startswith("x0 drifted: median ")
    assert [w.drifting for w in stream.windows.page("e")][:3] == [["x0"]] * 3
    assert stream.windows.alerts("e") == told


def test_a_change_of_unit_is_quarantined_and_explains_the_rest(stream: Stream) -> None:
    for day in range(5):
        stream.day(
            day, change=times("x1", 1.609344) if day == 2 else None, right=0.5 + 0.3 * (day != 2)
        )
        stream.tick()
    alerts = stream.windows.alerts("e")
    assert [(a.kind, a.feature, a.severity) for a in alerts] == [("quality", "x1", "critical")]
    assert alerts[0].summary == "x1 looks multiplied by 1.609: miles → kilometres"
    assert stream.windows.quarantined("e") == [(T0 + 2 * DAY, T0 + 3 * DAY)]
    rows = stream.log.labelled("e", SCHEMA, exclude=stream.windows.quarantined("e"))
    assert not rows["id"].str.starts_with("2-").any()
    kinds = [event.kind for event in stream.events.page()]
    assert kinds == ["alert.raised", "window.quarantined"]


def test_a_person_may_release_a_window(stream: Stream) -> None:
    for day in range(3):
        stream.day(day, change=times("x1", 1_000) if day == 1 else None)
        stream.tick()
    stream.watch.release("e", T0 + DAY, actor="ann")
    assert stream.windows.quarantined("e") == []
    stream.day(1, n=1_500, change=times("x1", 1_000))  # late rows: it is looked at again
    stream.tick()
    window = stream.windows.get("e", T0 + DAY)
    assert (window.rows, window.quarantined) == (2_500, False)
    assert stream.events.latest(1)[0].kind == "window.released"


def test_a_loss_is_told_when_the_labels_are_due(stream: Stream) -> None:
    told = []
    for day in range(6):
        stream.day(day, right=0.8 if day < 2 else 0.6)
        told += [(day, a.kind, (a.window - T0) // DAY) for a in stream.tick()]
    assert told == [(4, "performance", 2)]
    assert stream.windows.get("e", T0 + 2 * DAY).worse


def test_labels_that_come_late_are_measured_late(stream: Stream) -> None:
    stream.day(0, label=False)
    for day in range(1, 4):
        stream.day(day)
        stream.tick()
    performance = stream.windows.get("e", T0).performance
    assert performance is not None and performance["state"] == "waiting"
    assert "not enough evidence" in performance["note"]
    stream.label([f"0-{i}" for i in range(1_000)], [True] * 1_000)
    stream.tick()
    performance = stream.windows.get("e", T0).performance
    assert performance is not None and performance["state"] == "done"


def test_labels_are_counted_where_nothing_scores_answers(stream: Stream) -> None:
    stream.day(0, label=False)
    stream.day(1, label=False)
    stream.tick(baseline=None)
    window = stream.windows.get("e", T0)
    assert (window.labelled, window.performance) == (0, None)
    stream.label([f"0-{i}" for i in range(400)], [True] * 400)
    assert stream.tick(baseline=None) == []
    window = stream.windows.get("e", T0)
    assert window.labelled == 400
    assert window.performance is not None and "counted, not scored" in window.performance["note"]
    assert not stream.watch.waits("e", SPEC, stream.reference.digest)
    stream.label([f"0-{i}" for i in range(400, 700)], [True] * 300)  # the others come later
    stream.tick(baseline=None)
    assert stream.windows.get("e", T0).labelled == 700
    for day in range(2, 4):  # a champion that was tested here takes over
        stream.day(day)
    assert stream.tick() == []
    last = stream.windows.get("e", T0 + 2 * DAY)
    assert last.performance is not None and last.performance["state"] == "waiting"
    assert stream.windows.get("e", T0).labelled == 700


def test_late_rows_are_counted_where_nothing_scores_answers(stream: Stream) -> None:
    stream.day(0)
    stream.day(1)
    stream.tick(baseline=None)
    assert stream.windows.get("e", T0).labelled == 1_000
    stream.day(0, n=1_500)
    stream.tick(baseline=None)
    window = stream.windows.get("e", T0)
    assert (window.rows, window.labelled) == (2_500, 2_500)


def test_a_window_keeps_the_baseline_it_was_closed_with(stream: Stream) -> None:
    stream.day(0, right=0.8)
    stream.day(1)
    stream.tick()
    stream.day(2)
    better = Baseline("accuracy", 0.99, 0.98, 1.0)
    assert stream.tick(baseline=better) == []
    performance = stream.windows.get("e", T0).performance
    assert performance is not None and performance["baseline"]["value"] == 0.8


def test_a_window_is_scored_by_the_metric_it_was_closed_with(stream: Stream) -> None:
    stream.day(0, right=0.8)
    stream.day(1)
    stream.tick()
    stream.day(2)
    told = {"accuracy": accuracy, "wrong": lambda *rows: -accuracy(*rows)}
    other = Baseline("wrong", -0.2, -0.22, -0.18)  # the loop file names another metric since
    assert stream.tick(baseline=other, scores=told.__getitem__) == []
    performance = stream.windows.get("e", T0).performance
    assert performance is not None and performance["state"] == "done"
    assert performance["metric"] == "accuracy" and performance["value"] == pytest.approx(0.8, 0.1)


def test_a_killed_tick_is_repeated_without_a_trace(
    stream: Stream, monkeypatch: pytest.MonkeyPatch
) -> None:
    for day in range(5):
        stream.day(day, change=shift if day >= 1 else None, right=0.5)
    append = EventLog.append
    calls = 0

    def killed(*args: Any, **named: Any) -> int:
        nonlocal calls
        calls += 1
        if calls == 2:
            raise KeyboardInterrupt
        return append(*args, **named)

    with monkeypatch.context() as patch:
        patch.setattr(EventLog, "append", killed)
        with pytest.raises(KeyboardInterrupt):
            stream.tick()
    again = stream.tick()
    fresh = Watch(stream.watch.db, stream.log, stream.events)
    assert fresh.tick("e", SCHEMA, stream.reference, BASELINE, SPEC, lambda _: accuracy) == []
    alerts = stream.windows.alerts("e")
    assert len({a.id for a in alerts}) == len(alerts) == len(again) + 1
    raised = [e.payload["id"] for e in stream.events.page() if e.kind == "alert.raised"]
    assert sorted(raised) == sorted(a.id for a in alerts)


def test_few_rows_are_not_enough_evidence(stream: Stream) -> None:
    few = {1: 5, 2: 1, 3: 0}
    for day in range(5):
        n = few.get(day, 1_000)
        if n:
            stream.day(day, n=n, change=times("x1", 1_000) if day in few else None)
        assert stream.tick() == []
    for day, n in few.items():
        if n:
            window = stream.windows.get("e", T0 + day * DAY)
            said = "1 row," if n == 1 else f"{n} rows,"
            assert f"not enough evidence: {said}" in window.checks["note"]
            assert not window.quarantined
    assert len(stream.windows.page("e")) == 3  # none for a day without rows


def test_gaps_are_stepped_over(stream: Stream) -> None:
    for day in (0, 1, 400, 401):
        stream.day(day)
    stream.tick()
    starts = [(w.start - T0) // DAY for w in stream.windows.page("e")]
    assert starts == [400, 1, 0]


def test_rows_that_come_late_for_a_gap_have_their_windows(stream: Stream) -> None:
    for day in (0, 1, 5, 6):
        stream.day(day)
    stream.tick()
    for day in (3, 2, 7):
        stream.day(day, change=shift if day == 3 else None)
    drifted = {(a.feature, (a.window - T0) // DAY) for a in stream.tick() if a.kind == "drift"}
    starts = [(w.start - T0) // DAY for w in stream.windows.page("e")]
    assert starts == [6, 5, 3, 2, 1, 0]
    assert drifted == {("x0", 3)}
    assert stream.tick() == []
    assert not stream.watch.waits("e", SPEC, stream.reference.digest)


def test_events_from_the_future_do_not_close_the_present(stream: Stream) -> None:
    today = (int(time.time() * 1_000) - T0) // DAY
    stream.day(today, n=200)
    stream.day(today + 30, n=200)
    stream.tick()
    assert stream.windows.latest("e") is None


def test_a_replay_says_what_time_it_is(stream: Stream) -> None:
    stream.day(0)
    stream.tick(now=T0 + DAY)
    assert stream.windows.get("e", T0).rows == 1_000


def test_an_endpoint_without_traffic_is_quiet(stream: Stream) -> None:
    assert stream.tick() == []


def test_pages_go_on_where_the_last_one_ended(stream: Stream) -> None:
    for day in range(5):
        stream.day(day, right=0.4)
        stream.tick()
    first = stream.windows.page("e", limit=2)
    assert len(first + stream.windows.page("e", before=first[-1].start, limit=9)) == 4
    alerts = stream.windows.alerts("e")
    walked: list[Alert] = []
    while page := stream.windows.alerts(
        "e", limit=1, before=(walked[-1].window, walked[-1].id) if walked else None
    ):
        walked += page
    assert walked == alerts
    with stream.watch.db.write() as conn:
        stream.windows.link(conn, [alerts[0].id], "cycle-1")
        stream.windows.link(conn, [alerts[0].id], "cycle-2")
    assert stream.windows.alerts("e")[0].cycle == "cycle-1"


def test_ten_times_the_rows_of_a_window_cost_no_more_steps() -> None:
    rng = np.random.default_rng(0)
    schema = Schema(
        features=(
            *(Feature(f"n{i}", "number") for i in range(14)),
            *(Feature(f"c{i}", "category", tuple("abcdefgh")) for i in range(6)),
        ),
        target="y",
        task="regression",
    )

    def frame(n: int) -> pl.DataFrame:
        numbers = {f"n{i}": rng.normal(i, 1 + i, n) for i in range(14)}
        texts = {f"c{i}": rng.choice(list("abcdefgh"), n) for i in range(6)}
        return pl.DataFrame(numbers | texts | {"y": rng.normal(size=n)})

    reference = profile(frame(24_000), schema)

    def steps(n: int) -> int:
        rows = frame(n).with_columns(p=pl.lit(None, dtype=pl.List(pl.Float64)))
        return calls(lambda: inspect("e", T0, rows, schema, reference, SPEC, Chain(), lambda: None))

    assert steps(6_500) <= 1.1 * steps(650)


def test_early_labels_make_what_is_expected_surer(stream: Stream) -> None:
    """Of a day a third is labelled, long before its labels are due."""
    frame = pl.DataFrame(stream.columns(1_000))
    rng = np.random.default_rng(2)
    answers = rng.random(1_000) < 0.5
    truth = np.where(rng.random(1_000) < 0.8, answers, ~answers)
    p = np.column_stack([1.0 - answers, answers]).astype(float)
    held = hold(frame, SCHEMA, truth.astype(int), answers.astype(int), p)
    judging = Judging((Gauge("accuracy", accuracy, True, (0.0, 1.0)),), held)
    late = MonitorSpec(window="1d", performance=PerformanceSpec(labels_after="30d"))
    stream.day(0, label=False)
    stream.label([f"0-{i}" for i in range(0, 1_000, 3)], [True] * 334)
    stream.day(1, label=False)
    stream.day(2, label=False)
    stream.tick(spec=late, judging=judging)
    second, first = stream.windows.page("e")
    assert first.performance is not None and second.performance is not None
    assert first.performance["state"] == "waiting" and first.labelled == 0
    powered = first.performance["prediction_powered"]
    assert powered["labelled"] == 334 and powered["score"]["value"] < 0.7
    assert first.performance["expected"]["metrics"]["accuracy"]["value"] > 0.7
    assert "prediction_powered" not in second.performance
