"""Detectors that see values one by one."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from everloop.errors import InvalidInput
from everloop.extensions import sequential_detectors
from everloop.monitor.sequence import changes
from everloop.monitor.sequential._base import SequentialDetector

NAMES = sequential_detectors.names()


def detector(name: str) -> SequentialDetector:
    made: SequentialDetector = sequential_detectors.get(name)()
    return made


def errors(rate: float, rows: int, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(rows) < rate).astype(float)


# Position of the first alarm after errors become eight times as frequent at 1,000; seeded.
FIRST = {
    "adwin": 1023,
    "conformal_martingale": 1043,
    "ddm": 1020,
    "eddm": 1005,
    "hddm_a": 1012,
    "hddm_w": 1012,
    "kswin": 1015,
    "page_hinkley": 1074,
}


@pytest.mark.parametrize("name", NAMES)
def test_more_errors_are_seen(name: str) -> None:
    values = np.concatenate([errors(0.1, 1_000, 0), errors(0.8, 300, 1)])
    found = [at for at in detector(name).changes(values) if at >= 1_000]
    assert found
    assert found[0] == FIRST[name]
    assert detector(name).changes(values) == detector(name).changes(values)


@pytest.mark.parametrize("name", NAMES)
def test_few_values_raise_nothing(name: str) -> None:
    for rows in (0, 1, 5):
        assert detector(name).changes(np.zeros(rows)) == []


def test_the_martingale_is_rarely_wrong() -> None:
    runs = [detector("conformal_martingale").changes(errors(0.3, 500, seed)) for seed in range(60)]
    assert sum(bool(found) for found in runs) == 0


def test_a_change_is_told_where_it_was_seen() -> None:
    before, now = errors(0.1, 1_500, 0), errors(0.6, 500, 1)
    times = list(range(10_000, 10_500))
    names = ("conformal_martingale", "ddm", "adwin")
    found, alerts = changes("e", 10_000, "errors", names, before, now, times)
    assert set(found) == set(names)
    assert all(10_000 <= at < 10_500 for each in found.values() for at in each)
    assert [alert.summary for alert in alerts] == [
        f"{name} saw a change of the errors" for name in names if found[name]
    ]
    assert {alert.severity for alert in alerts} == {"info"}
    # In the next window what was seen before is no news.
    later, none = changes(
        "e", 10_500, "errors", names, np.concatenate([before, now]), errors(0.6, 500, 2), times
    )
    assert none == [] and set(later) == set(names)


def test_detectors_of_errors_leave_numbers_alone() -> None:
    values = np.random.default_rng(0).normal(size=50)
    found, _ = changes("e", 0, "errors", ("ddm", "adwin"), values, values, list(range(50)))
    assert list(found) == ["adwin"]


def test_without_river_the_way_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "river.drift", None)
    with pytest.raises(InvalidInput, match=r"pip install 'everloop\[river\]'"):
        detector("adwin").changes(np.zeros(3))
