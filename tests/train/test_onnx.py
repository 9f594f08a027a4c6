from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.extensions import candidates
from everloop.train import onnx as export
from everloop.train.fitting import Fitting
from everloop.train.predictions import predict

TASKS = ("regression", "binary", "multiclass")
# Users and items, members of a search, and a forest that takes its time: tested in test_recommend,
# test_ensemble and test_online_models.
ELSEWHERE = {"item_based", "matrix_factorisation", "ensemble", "adaptive_random_forest"}
PAIRS = [
    (task, name)
    for task in TASKS
    for name, candidate in candidates
    if task in candidate().tasks and name not in ELSEWHERE
    if not getattr(candidate, "reads", ())  # images, texts: tested in train/torch
]
EXACT = {"linear_regression", "ridge", "logistic_regression"}


def fitted(name, X, y, schema):
    candidate = candidates.get(name)()
    pipeline = candidate.build(schema, schema.task, 0, candidate.defaults(len(X)))
    candidate.fit(pipeline, X, y, Fitting())
    return pipeline


def answer(model: bytes, X):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


@pytest.mark.parametrize(("task", "name"), PAIRS)
def test_every_candidate_answers_the_same_in_onnx(task, name):
    X, y, schema = mixed(task)
    estimator = fitted(name, X, y, schema)
    model = export.to_onnx(estimator, schema, X)
    assert len(model) < 10_000_000
    new, _, _ = mixed(task, rows=2_000, seed=7)
    for rows in (new, with_holes(new), new[:1]):
        pred, proba = predict(estimator, rows, schema)
        out = answer(model, rows)
        tolerance = 1e-12 if name in EXACT else 2e-6
        if task == "regression":
            assert out["y"].shape == (len(rows),) and out["y"].dtype == np.float64
            np.testing.assert_allclose(out["y"], pred, atol=tolerance * np.abs(pred).max())
        else:
            assert out["label"].dtype == np.int64
            np.testing.assert_allclose(out["probabilities"], proba, atol=tolerance)
            ranked = np.sort(proba, axis=1)
            clear = ranked[:, -1] - ranked[:, -2] > 2 * tolerance  # a forest's votes may tie
            np.testing.assert_array_equal(out["label"][clear], pred[clear])


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest", "lightgbm"])
def test_a_class_absent_from_training_has_probability_zero(name):
    X, y, schema = mixed("multiclass")
    kept = y != 1
    estimator = fitted(name, X[kept], y[kept], schema)
    out = answer(export.to_onnx(estimator, schema, X), X)
    assert out["probabilities"].shape == (len(X), 3)
    assert set(np.unique(out["label"])) == {0, 2}
    assert not out["probabilities"][:, 1].any()


def test_lightgbm_keeps_thresholds_that_single_precision_cannot_hold():
    start = 1.7e9  # seconds of a clock: float32 steps are 128 there
    X = np.column_stack([start + np.arange(4_000.0), np.zeros(4_000)])
    y = (np.arange(4_000) // 50 % 2).astype(np.int64)
    features = (Feature("at", "number"), Feature("zero", "number"))
    schema = Schema(features, "y", "binary", (0, 1))
    estimator = fitted("lightgbm", X, y, schema)
    out = answer(export.to_onnx(estimator, schema, X), X)
    np.testing.assert_allclose(out["probabilities"], estimator.predict_proba(X), atol=1e-6)


def test_plain_linear_regression_is_scikit_learns_own():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(200, 4)) * [1, 10, 1e3, 1e-2]
    y = X @ [1, 2, 3e-3, 40] + rng.normal(size=200)
    schema = Schema(tuple(Feature(c, "number") for c in "abcd"), "y", "regression")
    out = answer(export.to_onnx(fitted("linear_regression", X, y, schema), schema, X), X)
    np.testing.assert_allclose(out["y"], LinearRegression().fit(X, y).predict(X), atol=1e-9)


def test_logistic_regression_is_scikit_learns_own_on_scaled_numbers():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(300, 3)) * [1, 10, 1e3]
    y = (X @ [1, 0.1, 1e-3] + rng.normal(size=300) > 0).astype(np.int64)
    schema = Schema(tuple(Feature(c, "number") for c in "abc"), "y", "binary", (0, 1))
    out = answer(export.to_onnx(fitted("logistic_regression", X, y, schema), schema, X), X)
    own = make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)
    np.testing.assert_array_equal(out["label"], own.predict(X))


def test_a_converted_model_that_differs_is_refused(monkeypatch):
    X, y, schema = mixed("regression")
    estimator = fitted("ridge", X, y, schema)
    monkeypatch.setattr(export, "predict", lambda *a: (predict(*a)[0] * (1 + 1e-4), None))
    with pytest.raises(InvalidInput, match=r"Ridge.*differs by 0.0001"):
        export.to_onnx(estimator, schema, X)


class Opaque(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.mean_ = float(np.mean(y))
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def test_missing_values_may_be_filled_by_scikit_learns_own_imputer():
    """In double precision, which skl2onnx and onnxruntime do not agree about."""
    X, y, schema = mixed("binary")
    X = with_holes(X)
    X[:, 0] = np.nan  # a column without any value is dropped
    for imputer in (
        SimpleImputer(),
        SimpleImputer(strategy="median", add_indicator=True),
        SimpleImputer(strategy="constant", fill_value=-1.0, keep_empty_features=True),
    ):
        branches = ColumnTransformer([("all", imputer, list(range(X.shape[1])))])
        for front in (imputer, branches):
            model = make_pipeline(front, LogisticRegression(max_iter=50)).fit(X, y)
            answers = answer(export.to_onnx(model, schema, X), X)
            np.testing.assert_allclose(answers["probabilities"], model.predict_proba(X), atol=1e-9)


def test_a_converted_model_of_another_shape_is_refused():
    """skl2onnx answers with one row for all, of quadratic discriminants."""
    X, y, schema = mixed("binary")
    numbers = make_pipeline(SimpleImputer(), QuadraticDiscriminantAnalysis(reg_param=0.5))
    with pytest.raises(InvalidInput, match="answers in another shape"):
        export.to_onnx(numbers.fit(X, y), schema, X)


def test_what_cannot_be_converted_is_named_with_the_way_out():
    X, y, schema = mixed("regression")
    with pytest.raises(InvalidInput, match=r"got Opaque.*Use a built-in candidate") as caught:
        export.to_onnx(Opaque().fit(X, y), schema, X)
    assert caught.value.code == "not_exportable"


def test_the_same_model_gives_the_same_bytes():
    X, y, schema = mixed("binary")
    first, second = (export.to_onnx(fitted("lightgbm", X, y, schema), schema, X) for _ in range(2))
    assert first == second
