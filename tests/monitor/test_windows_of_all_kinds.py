"""Windows by time and by rows, and what each is compared with."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from stream_of_days import SPEC, T0, Stream

from everloop.errors import InvalidInput
from everloop.monitor.spans import DAY, check_window, rows_of
from everloop.store.database import Database


@pytest.fixture
def stream(sqlite_database: Database, tmp_path: Path) -> Stream:
    return Stream(sqlite_database, tmp_path)


def spec(**changes: Any) -> Any:
    return msgspec.structs.replace(SPEC, performance=None, **changes)


def move(columns: dict[str, list[Any]]) -> None:
    columns["x0"] = [value + 40 for value in columns["x0"]]


def test_windows_by_rows_follow_each_other(stream: Stream) -> None:
    by_rows = spec(window="700 rows")
    for day in range(3):
        stream.day(day)
        stream.tick(spec=by_rows)
    windows = stream.windows.page("e")[::-1]
    assert [window.rows for window in windows] == [700] * 4
    assert windows[0].start == T0
    assert all(a.end == b.start for a, b in pairwise(windows))
    again = [stream.watch.log.time_of_row("e", window.start, 700) for window in windows]
    assert again == [window.end - 1 for window in windows]


def test_a_window_by_rows_over_a_gap(stream: Stream) -> None:
    for day in (0, 50):
        stream.day(day, n=300)
    stream.tick(spec=spec(window="500 rows"))
    window = stream.windows.page("e")[0]
    assert (window.rows, window.start) == (500, T0)
    assert window.end > T0 + 50 * DAY


@pytest.mark.parametrize(
    ("text", "rows"), [("1000 rows", 1_000), ("1,000 rows", 1_000), ("1d", None)]
)
def test_a_window_is_a_time_or_rows(text: str, rows: int | None) -> None:
    assert rows_of(text) == rows
    check_window(text)


@pytest.mark.parametrize("text", ["0 rows", "many rows", "rows"])
def test_other_windows_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"monitor\.window"):
        check_window(text)


def test_a_rolling_reference_gets_used_to_a_change(stream: Stream) -> None:
    rolling = spec(reference="rolling")
    for day in range(13):
        stream.day(day, n=250, change=move if day >= 2 else None)
        stream.tick(spec=rolling)
    windows = {(w.start - T0) // DAY: w for w in stream.windows.page("e")}
    assert windows[2].drifting == ["x0"]
    assert windows[11].drifting == []


def test_a_season_is_compared_with_its_like(stream: Stream) -> None:
    def weekend(day: int) -> Any:
        return move if day % 7 in (5, 6) else None

    told = []
    for day in range(23):
        stream.day(day, n=200, change=weekend(day) if day != 21 else move)
        told += stream.tick(spec=spec(reference="seasonal"))
    windows = {(w.start - T0) // DAY: w for w in stream.windows.page("e")}
    assert "not enough evidence: 1 of 2" in windows[8].checks["drift_note"]
    assert not windows[19].drifting  # a weekend, as those before
    assert windows[21].drifting == ["x0"]  # a Monday like a weekend
    assert [(a.feature, (a.window - T0) // DAY) for a in told] == [("x0", 21)]


def test_features_that_begin_to_go_together_are_told(stream: Stream) -> None:
    def tie(columns: dict[str, list[Any]]) -> None:
        columns["x1"] = columns["x0"]

    told = []
    for day in range(3):
        stream.day(day, change=tie if day == 1 else None)
        told += stream.tick(spec=spec(), sample=stream.training)
    assert [a.feature for a in told] == ["(correlation)"]
    assert told[0].summary.startswith("(correlation) drifted: correlation of x0 and x1 ")


def test_detectors_see_the_answers_one_by_one(stream: Stream) -> None:
    seen = spec(sequential=("conformal_martingale",))
    stream.day(0)
    stream.day(1)
    stream.rng = np.random.default_rng(5)
    stream.tick(spec=seen)
    stream.day(2)
    stream.tick(spec=seen)
    for window in stream.windows.page("e"):
        assert window.checks["sequential"] == {"conformal_martingale": []}


def test_detectors_see_the_errors_once_labels_come(stream: Stream) -> None:
    seen = msgspec.structs.replace(SPEC, sequential=("conformal_martingale",))
    told = []
    for day in range(5):
        stream.day(day, n=400, right=0.9 if day < 2 else 0.4)
        told += stream.tick(spec=seen)
    found = [(a.feature, a.evidence["detector"]) for a in told if a.feature == "(errors)"]
    assert found == [("(errors)", "conformal_martingale")]
    performance = stream.windows.get("e", T0 + 2 * DAY).performance
    assert performance is not None
    first = performance["sequential"]["conformal_martingale"][0]
    assert T0 + 2 * DAY < first < T0 + 2 * DAY + DAY // 4


def test_looking_again_gives_the_same(stream: Stream) -> None:
    """The state of the bets travels in the windows, so a late row changes its window alone."""
    for day in range(4):
        stream.day(day)
        stream.tick()
    before = {w.start: w.checks["chain"] for w in stream.windows.page("e")}
    stream.day(2, n=1)
    stream.tick()
    after = {w.start: w.checks["chain"] for w in stream.windows.page("e")}
    assert after[T0] == before[T0]
    assert after[T0 + DAY] == before[T0 + DAY]
    assert before[T0]["control"]["e_detector"]["bets"]


def test_another_champion_begins_anew(stream: Stream) -> None:
    stream.day(0)
    stream.day(1)
    stream.tick()
    stream.day(2)
    other = msgspec.structs.replace(stream.reference, rows=3_999)
    stream.tick(reference=other)
    first, second = (w.checks["chain"]["control"]["e_detector"] for w in stream.windows.page("e"))
    assert first != second


@pytest.mark.parametrize("rows", [1, 5])
def test_a_window_without_rows_to_speak_of_is_no_evidence(stream: Stream, rows: int) -> None:
    stream.day(0)
    stream.day(1, n=rows, change=move)
    stream.day(2)
    assert stream.tick() == []
    window = stream.windows.get("e", T0 + DAY)
    assert "not enough evidence" in window.checks["note"]


def test_a_window_of_nothing_but_missing_or_infinite_is_no_drift(stream: Stream) -> None:
    def lose(columns: dict[str, list[Any]]) -> None:
        columns["x0"] = [None] * len(columns["x0"])
        columns["x1"] = [float("inf")] * len(columns["x1"])
        columns["x2"] = [7.0] * len(columns["x2"])

    for day in range(3):
        stream.day(day, change=lose if day == 1 else None)
    told = stream.tick(sample=stream.training)
    drifted = {a.feature for a in told if a.kind == "drift"}
    assert not drifted & {"x0", "x1"}
