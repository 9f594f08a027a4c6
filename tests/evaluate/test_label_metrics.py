"""Metrics of several labels a row: as scikit-learn has them, with intervals and comparisons."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics as reference

from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import DELONG, compare
from everloop.evaluate.metrics import estimate, get_metric, metric_names

RNG = np.random.default_rng(0)
Y = (RNG.random((600, 4)) < [0.3, 0.5, 0.1, 0.03]).astype(np.int64)
PROBA = np.clip(0.3 * Y + 0.7 * RNG.random(Y.shape), 0, 1)
PRED = (PROBA >= 0.5).astype(np.int64)
EXPECTED = {
    "f1_micro": reference.f1_score(Y, PRED, average="micro"),
    "f1_macro": reference.f1_score(Y, PRED, average="macro"),
    "f1_samples": reference.f1_score(Y, PRED, average="samples", zero_division=1),
    "hamming_loss": reference.hamming_loss(Y, PRED),
    "subset_accuracy": reference.accuracy_score(Y, PRED),
    "lrap": reference.label_ranking_average_precision_score(Y, PROBA),
    "roc_auc": reference.roc_auc_score(Y, PROBA, average="macro"),
    "average_precision": reference.average_precision_score(Y, PROBA, average="macro"),
    "pr_auc": reference.average_precision_score(Y, PROBA, average="macro"),
}


def test_every_metric_of_the_task_is_checked() -> None:
    assert set(metric_names("multilabel")) == set(EXPECTED)


@pytest.mark.parametrize("name", EXPECTED)
def test_values_are_scikit_learns_and_lie_in_their_interval(name: str) -> None:
    metric = get_metric(name)
    found = estimate(metric, Y, PRED, PROBA)
    assert found.value == pytest.approx(EXPECTED[name], abs=1e-12)
    assert found.low < found.value < found.high and found.high - found.low < 0.3
    assert np.isnan(metric.function(Y[:0], PRED[:0], PROBA[:0]))


@pytest.mark.parametrize("name", ["f1_micro", "hamming_loss", "roc_auc", "average_precision"])
def test_a_better_model_is_told_from_an_equal_one(name: str) -> None:
    metric, rng = get_metric(name), np.random.default_rng(1)
    better = np.clip(0.4 * Y + 0.6 * rng.random(Y.shape), 0, 1)
    equal = np.clip(0.3 * Y + 0.7 * rng.random(Y.shape), 0, 1)
    old = Answers(PRED, PROBA)
    one, other = (
        compare(metric, Y, Answers((p >= 0.5).astype(np.int64), p), old) for p in (better, equal)
    )
    assert one.low > 0 and other.low < 0 < other.high
    assert (one.test == DELONG) is (name == "roc_auc")


def test_what_no_label_can_be_ranked_by_has_no_value() -> None:
    same = np.ones_like(Y)
    for name in ("roc_auc", "average_precision"):
        assert get_metric(name).undefined(same) == "no label differs between the rows"
        assert np.isnan(get_metric(name).function(same, PRED, PROBA))
    few = Y.copy()
    few[:, 3] = 0  # three labels are left, and judged
    expected = reference.roc_auc_score(few[:, :3], PROBA[:, :3])
    assert get_metric("roc_auc").function(few, PRED, PROBA) == pytest.approx(expected)
