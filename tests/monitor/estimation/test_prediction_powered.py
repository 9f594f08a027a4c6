"""Some labels and an expectation, together."""

from __future__ import annotations

import numpy as np

from everloop.monitor.estimation._base import ClassBelief, Rows
from everloop.monitor.estimation.prediction_powered import Powered, prediction_powered
from everloop.monitor.gauges import Gauge, Interval

ACCURACY = Gauge("accuracy", lambda y, pred, proba: float((y == pred).mean()), bounds=(0, 1))


def made(
    seed: int, n: int = 3_000, labelled: float = 0.1, wrong: float = 0.0
) -> tuple[Powered | None, float]:
    """The powered accuracy, and the real one; ``wrong`` is added to what is believed."""
    rng = np.random.default_rng(seed)
    right = rng.choice([0.55, 0.99], n)
    pred = rng.integers(0, 2, n)
    y = np.where(rng.random(n) < right, pred, 1 - pred)
    believed = np.clip(right + wrong, 0.001, 0.999)
    c = np.where((np.arange(2) == pred[:, None]), believed[:, None], 1 - believed[:, None])
    rows = Rows(np.zeros((n, 0), dtype=np.uint8), pred, c)
    known = rng.random(n) < labelled
    belief = ClassBelief(c, np.lexsort((c[:, 1], pred)))
    found = prediction_powered(ACCURACY, belief, rows, y[known], known)
    return found, float((y == pred).mean())


def width(interval: Interval) -> float:
    assert interval.low is not None and interval.high is not None
    return interval.high - interval.low


def test_a_good_expectation_makes_the_interval_narrower() -> None:
    narrower = 0
    for seed in range(6):
        found, real = made(seed)
        assert found is not None and found.score.value is not None
        assert abs(found.score.value - real) < 0.06
        narrower += width(found.score) < width(found.alone)
        assert 0 <= found.weight <= 1
    assert narrower >= 5


def test_a_wrong_expectation_does_no_harm() -> None:
    errors = []
    for seed in range(6):
        found, real = made(seed, wrong=-0.4)
        assert found is not None and found.score.value is not None
        errors.append(found.score.value - real)
    assert abs(np.mean(errors)) < 0.02


def test_too_few_labels_are_not_enough() -> None:
    assert made(0, n=500, labelled=0.05)[0] is None
    assert made(0, n=500, labelled=1.0)[0] is None
