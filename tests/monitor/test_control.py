from __future__ import annotations

import numpy as np
import pytest

from everloop.monitor.control import KEPT, Spending, benjamini_hochberg, spent


def test_adjusted_p_values() -> None:
    # By hand: 0.01·4/1, 0.02·4/2, 0.03·4/3 are all 0.04; 0.5 stays.
    adjusted = benjamini_hochberg(np.array([0.03, 0.5, 0.01, 0.02]))
    assert adjusted == pytest.approx([0.04, 0.5, 0.04, 0.04])
    assert len(benjamini_hochberg(np.array([]))) == 0


def test_the_budget_is_never_overspent() -> None:
    assert sum(spent(j) for j in range(1, 200_000)) <= 1
    quiet = sum(Spending(tested).level(0.05) for tested in range(10_000))
    assert quiet <= 0.05 / 2


def test_an_alarm_earns_level_back() -> None:
    quiet, told = Spending(50), Spending(50, (50,))
    assert told.level(0.05) > 10 * quiet.level(0.05)
    assert Spending().after(False) == Spending(1)
    assert Spending(1).after(True) == Spending(2, (2,))
    assert len(Spending(99, tuple(range(KEPT))).after(True).found) == KEPT


def test_no_drift_raises_next_to_no_alarm() -> None:
    rng = np.random.default_rng(0)
    runs_with_alarm = 0
    for _ in range(200):
        spending = Spending()
        for _ in range(100):
            alarm = bool(benjamini_hochberg(rng.random(20)).min() <= spending.level(0.05))
            spending = spending.after(alarm)
        runs_with_alarm += bool(spending.found)
    assert runs_with_alarm / 200 <= 0.05
