"""A calibration and a threshold go behind a graph, and come off it again; weights reach a fit."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import InvalidInput
from everloop.train.calibration import calibrate
from everloop.train.check import find_candidate
from everloop.train.deciding import CALIBRATION, DECISION, without_tails
from everloop.train.fit import fit_candidates
from everloop.train.fitting import silent
from everloop.train.onnx import to_onnx
from everloop.train.packed import Packed
from everloop.train.spec import TrainSpec
from everloop.train.threshold import Thresholded

RNG = np.random.default_rng(0)
X = RNG.normal(size=(1_200, 2))
NAMES = (Feature("a", "number"), Feature("b", "number"))


def accuracy(y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None, *_: object) -> float:
    return float((y == pred).mean())


@pytest.mark.parametrize("classes", [2, 3])
def test_tails_come_off_and_others_go_on(classes: int) -> None:
    task = "binary" if classes == 2 else "multiclass"
    schema = Schema(NAMES, "y", task, tuple(range(classes)))
    y = np.digitize(X[:, 0] + RNG.normal(0, 0.5, len(X)), [0.0, 0.8][: classes - 1])
    algorithm = "lightgbm" if classes == 2 else "logistic_regression"
    spec = TrainSpec(candidates=(algorithm,), calibrate="isotonic")
    best = fit_candidates(X, y, schema, spec, accuracy, 0, silent)[0]
    estimator = Thresholded(best.estimator, 0.3) if classes == 2 else best.estimator
    whole = to_onnx(estimator, schema, X)
    bare = without_tails(whole, DECISION, CALIBRATION)
    assert len(bare) < len(whole) and without_tails(bare, DECISION, CALIBRATION) == bare
    raw = Packed(bare, classes)
    inner = best.estimator.estimator
    assert np.allclose(raw.predict_proba(X), inner.predict_proba(X), atol=1e-6)
    half = without_tails(whole, DECISION)
    calibrated = Packed(half, classes).predict_proba(X)
    assert np.allclose(calibrated, best.estimator.predict_proba(X), atol=1e-5)
    moved = (y + (RNG.random(len(y)) < 0.3)).clip(0, classes - 1)  # the last class is commoner
    again = calibrate(raw, raw.predict_proba(X), moved, "platt")
    graph = to_onnx(again, schema, X)  # which compares both
    told = Packed(graph, classes).predict_proba(X)
    assert np.allclose(told.mean(axis=0), np.bincount(moved) / len(moved), atol=0.06)
    with pytest.raises(InvalidInput, match="a classifier with label and probabilities"):
        regressor = Schema(NAMES, "y", "regression", ())
        spec = TrainSpec(candidates=("ridge",))
        fitted = fit_candidates(X, X[:, 0], regressor, spec, accuracy, 0, silent)[0]
        Packed(to_onnx(fitted.estimator, regressor, X), 2)


@pytest.mark.parametrize(
    ("name", "task"),
    [
        ("lightgbm", "regression"),
        ("lightgbm", "binary"),
        ("hist_gradient_boosting", "binary"),
        ("random_forest", "binary"),
        ("decision_tree", "regression"),
        ("ridge", "regression"),
        ("lasso", "regression"),
        ("linear_regression", "regression"),
        ("logistic_regression", "binary"),
    ],
)
def test_rows_that_weigh_nothing_teach_nothing(name: str, task: Task) -> None:
    assert task in find_candidate(name).weighted
    schema = Schema(NAMES, "y", task, (0, 1) if task == "binary" else ())
    first = np.arange(len(X)) < 600
    truth = np.where(first, X[:, 0], -X[:, 0])
    y = (truth > 0).astype(np.int64) if task == "binary" else truth
    weights = np.where(first, 1e-6, 1.0)
    spec = TrainSpec(candidates=(name,))
    best = fit_candidates(X, y, schema, spec, accuracy, 0, silent, weights=weights)[0]
    answers = best.estimator.predict(X)
    if task == "binary":
        assert (answers == (X[:, 0] < 0)).mean() > 0.9
    else:
        assert np.corrcoef(answers, -X[:, 0])[0, 1] > 0.9
