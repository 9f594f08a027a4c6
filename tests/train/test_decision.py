"""Calibration and threshold: learned on validation rows, inside the exported model."""

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes

from everloop.train.calibration import calibrate, learn_maps, mapped
from everloop.train.fit import fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec
from everloop.train.threshold import cheapest_threshold, choose_threshold


def silent(*_):
    pass


def f1(y, pred, proba=None, groups=None):
    hits = float(((y == 1) & (pred == 1)).sum())
    return 2 * hits / max(1.0, float((y == 1).sum() + (pred == 1).sum()))


@pytest.mark.parametrize("task", ["binary", "multiclass"])
@pytest.mark.parametrize("method", ["isotonic", "platt"])
@pytest.mark.parametrize("name", ["naive_bayes", "decision_tree"])
def test_the_package_calibrates_and_decides_ten_thousand_rows_as_python_does(task, method, name):
    X, y, schema = mixed(task, rows=900)
    spec = TrainSpec(
        (name,), prepare=PrepareSpec(missing="mean"), calibrate=method, threshold="metric"
    )
    (best,) = fit_candidates(X, y, schema, spec, f1, 0, silent)
    assert best.prepared["calibration"] == method
    assert ("threshold" in best.prepared) == (task == "binary")
    new, _, _ = mixed(task, rows=10_000, seed=4)
    new = with_holes(new)
    session = onnxruntime.InferenceSession(to_onnx(best.estimator, schema, X))
    label, probabilities = session.run(["label", "probabilities"], {"X": new})
    pred, proba = predict(best.estimator, new, schema)
    np.testing.assert_allclose(probabilities, proba, atol=1e-5)
    np.testing.assert_allclose(proba.sum(axis=1), 1.0)
    edge = np.sort(proba, axis=1)[:, -1] - np.sort(proba, axis=1)[:, -2]
    if task == "binary":
        edge = np.abs(proba[:, 1] - best.prepared["threshold"])
    np.testing.assert_array_equal(label[edge > 2e-5], pred[edge > 2e-5])


@pytest.mark.parametrize("method", ["isotonic", "platt"])
def test_overconfident_scores_become_what_happened(method):
    rng = np.random.default_rng(0)
    truth = rng.random(20_000)
    y = (rng.random(20_000) < truth).astype(np.int64)
    odds = np.log(truth / (1 - truth)) * 3  # three times too sure
    second = 1 / (1 + np.exp(-odds))
    proba = np.column_stack([1 - second, second])
    out = mapped(learn_maps(method, proba[:10_000], y[:10_000]), proba[10_000:])
    before = np.abs(second[10_000:] - truth[10_000:]).mean()
    assert np.abs(out[:, 1] - truth[10_000:]).mean() < before / 4


def test_auto_leaves_calibrated_scores_alone_and_mends_others():
    rng = np.random.default_rng(1)
    truth = rng.random(4_000)
    y = (rng.random(4_000) < truth).astype(np.int64)
    squared = truth**3
    wrong = np.column_stack([1 - squared, squared])
    kept = object()
    assert calibrate(kept, wrong, y, "auto") is not kept
    sure = np.tile([0.5, 0.5], (4_000, 1))
    y = np.arange(4_000) % 2
    assert calibrate(kept, sure, y, "auto") is kept


def test_the_threshold_is_the_best_on_these_rows_and_half_when_nothing_is_better():
    proba = np.array([0.05, 0.1, 0.2, 0.25, 0.3, 0.35])
    y = np.array([0, 0, 0, 1, 1, 1])
    cut = choose_threshold(np.column_stack([1 - proba, proba]), y, f1)
    assert 0.2 < cut < 0.25
    perfect = np.column_stack([1 - y, y]).astype(float)
    assert choose_threshold(perfect, y, f1) == 0.5


def test_the_cheapest_threshold_is_the_cheapest_of_all():
    rng = np.random.default_rng(0)
    second = (rng.random(400) * 0.9).round(2)  # many are equal
    y = (rng.random(400) < second).astype(np.int64)
    costs = np.array([[0.0, 1.0], [6.0, -2.0]])
    proba = np.column_stack([1 - second, second])
    cut, cost, at_half = cheapest_threshold(proba, y, costs)
    answered = [(second >= c).astype(np.int64) for c in (cut, 0.5)]
    assert [costs[y, a].mean() for a in answered] == pytest.approx([cost, at_half])
    every = [costs[y, (second >= c).astype(np.int64)].mean() for c in np.linspace(0, 1.01, 500)]
    assert cost == pytest.approx(min(every)) and cost < at_half
    never, *_ = cheapest_threshold(proba, y, np.array([[0.0, 1.0], [0.0, 1.0]]))
    assert never > second.max()
