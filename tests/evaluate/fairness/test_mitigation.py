"""Mitigation candidates even the rates out, and say what that costs."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.evaluate.fairness.mitigation import (
    as_it_is,
    group_thresholds,
    measured,
    reweighing,
    with_thresholds,
)


def unequal(n: int = 4_000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    names = rng.choice(["f", "m"], n)
    score = np.clip(rng.normal(0.4 + 0.2 * (names == "m"), 0.15), 0, 1)
    return names, score, (rng.random(n) < score).astype(np.int64)


def test_thresholds_by_group_even_the_rates_out_at_a_cost() -> None:
    names, score, y = unequal()
    fit, rest = slice(0, 2_000), slice(2_000, None)
    before = (score[rest] > 0.5).astype(int)
    now = as_it_is(names[rest], before, y[rest])
    cuts = group_thresholds(names[fit], score[fit], y[fit])
    pred = with_thresholds(names[rest], score[rest], cuts)
    then = measured("t", names[rest], pred, y[rest], before, thresholds=cuts)
    assert now.ratio < 0.5 and now.four_fifths is False
    assert then.ratio > 0.85 and then.four_fifths is True
    assert 0 < then.cost_low < then.cost < then.cost_high
    assert then.ratio_low < then.ratio < then.ratio_high and now.cost_high == 0
    assert then.accuracy == pytest.approx(now.accuracy - then.cost)
    assert cuts["f"] < cuts["m"]


def test_a_group_that_no_threshold_was_made_for_is_answered_as_before() -> None:
    names, score = np.array(["f", "m", "x", "x"]), np.array([0.4, 0.4, 0.6, 0.4])
    before = np.array([0, 0, 0, 1])  # by a threshold of the model's own
    chosen = with_thresholds(names, score, {"f": 0.3, "m": 0.5}, before)
    assert chosen.tolist() == [1, 0, 0, 1]


def test_it_is_as_good_as_the_optimiser_of_fairlearn() -> None:
    pandas = pytest.importorskip("pandas")
    postprocessing = pytest.importorskip("fairlearn.postprocessing")
    sklearn = pytest.importorskip("sklearn.linear_model")
    names, score, y = unequal()
    model = sklearn.LogisticRegression().fit(score[:, None], y)
    other = postprocessing.ThresholdOptimizer(
        estimator=model, constraints="demographic_parity", prefit=True,
        predict_method="predict_proba",
    )  # fmt: skip
    keys = pandas.Series(names)
    other.fit(score[:, None], y, sensitive_features=keys)
    theirs = (other.predict(score[:, None], sensitive_features=keys, random_state=0) == y).mean()
    ours = (with_thresholds(names, score, group_thresholds(names, score, y)) == y).mean()
    assert ours >= theirs - 0.01


def test_weights_make_group_and_label_independent() -> None:
    names, _, y = unequal()
    weights = reweighing(names, y)
    rates = [np.average(y[names == g], weights=weights[names == g]) for g in ("f", "m")]
    assert rates[0] == pytest.approx(rates[1]) == pytest.approx(y.mean())
    assert weights.sum() == pytest.approx(len(y))
