from __future__ import annotations

import numpy as np
import pytest

from everloop.errors import InvalidInput
from everloop.monitor.performance import Baseline, measure

BASELINE = Baseline("accuracy", 0.80, 0.78, 0.82)
LEVEL = 0.001


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
    return float((y == pred).mean())


def rows(right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    y = np.random.default_rng(1).integers(0, 2, len(right))
    return y, np.where(right, y, 1 - y)


def test_a_loss_is_found_with_its_interval() -> None:
    y, pred = rows(np.random.default_rng(0).random(4_000) < 0.70)
    found = measure(y, pred, None, BASELINE, accuracy, LEVEL)
    assert found.worse
    assert found.low is not None and found.high is not None
    assert found.low < 0.70 < found.high
    assert found.summary().startswith("accuracy is 0.7")


@pytest.mark.parametrize("share", [0.79, 0.80, 0.90])
def test_no_loss_or_a_tolerated_one_is_no_alarm(share: float) -> None:
    rng = np.random.default_rng(2)
    for _ in range(30):
        y, pred = rows(rng.random(4_000) < share)
        assert not measure(y, pred, None, BASELINE, accuracy, LEVEL).worse


def test_one_bad_day_of_twenty_is_no_certainty() -> None:
    right = np.random.default_rng(3).random(4_000) < 0.80
    right[:400] = False
    y, pred = rows(right)
    assert not measure(y, pred, None, BASELINE, accuracy, LEVEL).worse


def test_what_cannot_be_scored_is_not_enough_evidence() -> None:
    def refuses(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        raise InvalidInput("one class only")

    y, pred = rows(np.zeros(500, dtype=bool))
    for score in (refuses, lambda *_: float("nan")):
        found = measure(y, pred, None, BASELINE, score, LEVEL)
        assert (found.worse, found.note) == (False, "not enough evidence")
    assert measure(y[:20], pred[:20], None, BASELINE, accuracy, LEVEL).note
    assert measure(y[:0], pred[:0], None, BASELINE, lambda *_: float("nan"), LEVEL).note


def test_scores_that_are_losses_turned_round_work_too() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(size=2_000)
    baseline = Baseline("rmse", -1.0, -1.05, -0.95)

    def score(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        return -float(np.sqrt(((y - pred) ** 2).mean()))

    worse = measure(y, y + rng.normal(0, 1.4, 2_000), None, baseline, score, LEVEL)
    same = measure(y, y + rng.normal(0, 1.0, 2_000), None, baseline, score, LEVEL)
    assert worse.worse and not same.worse
    assert worse.summary().startswith("rmse is 1.")
