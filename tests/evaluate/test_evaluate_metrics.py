from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from counting import calls
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import default_metric, estimate, get_metric, metric_names


def answered(k: int, n: int, seed: int = 0, lift: float = 1.0):
    """Targets, and answers that are right more often than by chance; with ties in the scores."""
    rng = np.random.default_rng(seed)
    y = rng.choice(k, n, p=np.arange(1, k + 1) / np.arange(1, k + 1).sum())
    scores = np.round(rng.normal(size=(n, k)), 1)
    scores[np.arange(n), y] += lift
    proba = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return y, proba.argmax(axis=1), proba


BY_REFERENCE = {
    "accuracy": lambda y, pred, proba, k: reference.accuracy_score(y, pred),
    "balanced_accuracy": lambda y, pred, proba, k: reference.balanced_accuracy_score(y, pred),
    "precision": lambda y, pred, proba, k: reference.precision_score(
        y, pred, average="binary" if k == 2 else "macro", zero_division=0
    ),
    "recall": lambda y, pred, proba, k: reference.recall_score(
        y, pred, average="binary" if k == 2 else "macro"
    ),
    "f1": lambda y, pred, proba, k: reference.f1_score(
        y, pred, average="binary" if k == 2 else "macro"
    ),
    "log_loss": lambda y, pred, proba, k: reference.log_loss(y, proba),
    "brier": lambda y, pred, proba, k: (
        reference.brier_score_loss(y, proba[:, 1])
        if k == 2
        else float(np.mean(np.sum((proba - np.eye(k)[y]) ** 2, axis=1)))
    ),
    "roc_auc": lambda y, pred, proba, k: (
        reference.roc_auc_score(y, proba[:, 1])
        if k == 2
        else reference.roc_auc_score(y, proba, multi_class="ovr")
    ),
    "average_precision": lambda y, pred, proba, k: reference.average_precision_score(
        y, proba[:, 1]
    ),
    "pr_auc": lambda y, pred, proba, k: reference.average_precision_score(y, proba[:, 1]),
    "mcc": lambda y, pred, proba, k: reference.matthews_corrcoef(y, pred),
    "kappa": lambda y, pred, proba, k: reference.cohen_kappa_score(y, pred),
    "cost": lambda y, pred, proba, k: reference.zero_one_loss(y, pred),
    "calibration_error": lambda y, pred, proba, k: binned(
        *((y == 1, proba[:, 1]) if k == 2 else (y == pred, proba.max(axis=1)))
    ),
}


def binned(happened, p):
    """The calibration error, bin by bin as its papers write it."""
    total = 0.0
    for low in np.arange(10) / 10:
        inside = (p >= low) & ((p < low + 0.1) | ((low > 0.85) & (p == 1)))
        if inside.any():
            total += inside.mean() * abs(p[inside].mean() - happened[inside].mean())
    return total


@pytest.mark.parametrize("k", [2, 3, 5])
def test_classification_values_are_scikit_learns(k):
    y, pred, proba = answered(k, 400)
    for name in metric_names("binary" if k == 2 else "multiclass"):
        expected = BY_REFERENCE[name](y, pred, proba, k)
        assert get_metric(name).function(y, pred, proba) == pytest.approx(expected), name


def test_regression_values_are_scikit_learns():
    rng = np.random.default_rng(0)
    y = rng.normal(1e6, 3.0, 300)
    pred = y + rng.normal(size=300)
    expected = {
        "rmse": reference.root_mean_squared_error(y, pred),
        "mae": reference.mean_absolute_error(y, pred),
        "r2": reference.r2_score(y, pred),
        "mape": reference.mean_absolute_percentage_error(y, pred),
    }
    found = {n: get_metric(n).function(y, pred, None) for n in metric_names("regression")}
    assert found == pytest.approx(expected)


def test_score_turns_errors_round():
    y, pred = np.array([1.0, 2.0]), np.array([2.0, 3.0])
    assert get_metric("rmse").score(y, pred, None) == -1.0
    assert get_metric("accuracy").score(y, y, None) == 1.0


@pytest.mark.parametrize(
    ("name", "n"),
    [
        ("roc_auc", 200),
        ("accuracy", 200),
        ("f1", 200),
        ("log_loss", 2_500),
        ("average_precision", 400),
    ],
)
def test_intervals_hold_the_truth_about_95_times_in_100(name, n):
    metric = get_metric(name)
    y, pred, proba = answered(2, 400_000, seed=99)
    truth = metric.function(y, pred, proba)
    samples = 150
    inside = 0
    for i in range(samples):
        y, pred, proba = answered(2, n, seed=i)
        found = estimate(metric, y, pred, proba, seed=i)
        inside += found.low <= truth <= found.high
    assert 0.90 <= inside / samples <= 0.99


def test_intervals_of_regression_hold_the_truth_about_95_times_in_100():
    metric, inside = get_metric("rmse"), 0
    for i in range(200):
        rng = np.random.default_rng(i)
        y = rng.normal(size=300)
        found = estimate(metric, y, y + 2 * rng.normal(size=300), None, seed=i)
        inside += found.low <= 2.0 <= found.high
    assert 0.90 <= inside / 200 <= 0.99


@pytest.mark.parametrize("name", ["accuracy", "roc_auc", "f1"])
def test_all_right_on_few_rows_is_not_taken_for_certainty(name):
    y = np.array([0, 1] * 20)
    found = estimate(get_metric(name), y, y, np.eye(2)[y])
    assert found.value == found.high == 1.0
    assert found.low == pytest.approx(0.025 ** (1 / 40))


@pytest.mark.parametrize("name", metric_names("binary"))
def test_ten_times_the_rows_cost_no_more_steps(name):
    def steps(rows):
        y, pred, proba = answered(2, rows)
        return calls(lambda: estimate(get_metric(name), y, pred, proba))

    assert steps(50_000) <= 1.1 * steps(5_000)


def test_one_class_or_a_constant_target_has_no_value():
    ones = np.ones(40, dtype=np.int64)
    proba = np.full((40, 2), 0.5)
    for name in ("roc_auc", "balanced_accuracy", "average_precision"):
        found = estimate(get_metric(name), ones, ones, proba)
        assert np.isnan([found.value, found.low, found.high]).all()
        assert get_metric(name).undefined(ones) == "all rows are of one class"
    assert np.isnan(get_metric("r2").function(np.ones(5), np.zeros(5), None))


def test_metrics_are_found_by_name_and_each_task_has_a_default():
    assert [default_metric(t).name for t in ("regression", "binary", "multiclass")] == [
        "rmse",
        "roc_auc",
        "accuracy",
    ]
    with pytest.raises(InvalidInput, match='Did you mean "roc_auc"'):
        get_metric("rocauc")


def test_a_resample_is_shared_by_the_models_compared():
    y, pred, proba = answered(2, 500)
    for name in metric_names("binary"):
        twice = [Answers(pred, proba), Answers(pred, proba)]
        drawn = get_metric(name).draws(y, twice, np.random.default_rng(0))
        np.testing.assert_allclose(drawn[:, 0], drawn[:, 1], atol=1e-6)
        assert drawn[:, 0].std() > 0
