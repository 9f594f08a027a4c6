"""Fairness on a thousand real loans: the groups' numbers and the optimiser are Fairlearn's."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from fairlearn import metrics
from fairlearn.postprocessing import ThresholdOptimizer
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from everloop import datasets
from everloop.evaluate.fairness.groups import by_group
from everloop.evaluate.fairness.mitigation import (
    as_it_is,
    group_thresholds,
    measured,
    reweighing,
    with_thresholds,
)


@pytest.fixture(scope="module")
def loans() -> pl.DataFrame:
    return datasets.credit().sample(fraction=1.0, shuffle=True, seed=0)


def model_of(loans: pl.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of each loan, and whether it was paid back."""
    left_out = ("paid_back", "loan", "sex", "age_group")
    features = loans.drop(left_out).to_dummies(
        loans.drop(left_out).select(pl.col(pl.String)).columns
    )
    X = StandardScaler().fit_transform(features.to_numpy().astype(np.float64))
    return X, loans["paid_back"].cast(pl.Int64).to_numpy()


def test_groups_of_real_loans_are_those_of_fairlearn(loans: pl.DataFrame) -> None:
    X, y = model_of(loans)
    pred = LogisticRegression(max_iter=500).fit(X[:600], y[:600]).predict(X[600:])
    rest = loans[600:]
    for column in ("sex", "age_group"):
        found, keys = by_group(rest, [column], y[600:], pred), rest[column].to_numpy()
        for name in (
            "demographic_parity_difference", "demographic_parity_ratio",
            "equalized_odds_difference", "equalized_odds_ratio", "equal_opportunity_difference",
        ):  # fmt: skip
            want = getattr(metrics, name)(y[600:], pred, sensitive_features=keys)
            assert getattr(found, name) == pytest.approx(want), (column, name)
        assert found.ratio_low < found.demographic_parity_ratio < found.ratio_high
        drawn = _resampled(keys, pred)
        assert found.ratio_low == pytest.approx(np.quantile(drawn, 0.025), abs=0.03)


def _resampled(keys: np.ndarray, pred: np.ndarray) -> list[float]:
    """The ratio of those two groups in resamples of each."""
    rng = np.random.default_rng(0)
    groups = sorted((pred[keys == key] for key in np.unique(keys)), key=lambda g: g.mean())
    worst, best = groups[0], groups[-1]
    return [
        rng.choice(worst, len(worst)).mean() / rng.choice(best, len(best)).mean()
        for _ in range(2_000)
    ]


def test_the_optimiser_costs_what_the_one_of_fairlearn_costs(loans: pl.DataFrame) -> None:
    X, y = model_of(loans)
    names = loans["age_group"].to_numpy()
    model = LogisticRegression(max_iter=500).fit(X[:500], y[:500])
    score, rest = model.predict_proba(X)[:, 1], slice(500, None)
    other = ThresholdOptimizer(
        estimator=model, constraints="demographic_parity", prefit=True,
        predict_method="predict_proba",
    )  # fmt: skip
    other.fit(X[:500], y[:500], sensitive_features=names[:500])
    theirs = other.predict(X[rest], sensitive_features=names[rest], random_state=0)
    cuts = group_thresholds(names[:500], score[:500], y[:500])
    before = (score[rest] > 0.5).astype(np.int64)
    ours = with_thresholds(names[rest], score[rest], cuts)
    now = as_it_is(names[rest], before, y[rest])
    mine = measured("ours", names[rest], ours, y[rest], before, cuts)
    other_one = measured("theirs", names[rest], theirs, y[rest], before)
    assert mine.cost_low < other_one.cost < mine.cost_high
    assert mine.cost == pytest.approx(now.accuracy - mine.accuracy)
    assert now.ratio is not None and mine.ratio is not None and mine.ratio > now.ratio
    frame = metrics.MetricFrame(
        metrics=metrics.selection_rate, y_true=y[rest], y_pred=ours, sensitive_features=names[rest]
    )
    assert mine.ratio == pytest.approx(frame.ratio())


def test_weights_bring_the_groups_of_real_loans_together(loans: pl.DataFrame) -> None:
    X, y = model_of(loans)
    names = loans["age_group"].to_numpy()
    weights = reweighing(names[:500], y[:500])
    plain = LogisticRegression(max_iter=500).fit(X[:500], y[:500]).predict(X[500:])
    model = LogisticRegression(max_iter=500).fit(X[:500], y[:500], sample_weight=weights)
    then = measured("reweighing", names[500:], model.predict(X[500:]), y[500:], plain)
    now = as_it_is(names[500:], plain, y[500:])
    assert now.ratio is not None and then.ratio is not None and then.ratio > now.ratio
    assert then.cost_low < 0.03
