"""Quantiles, anomalies, rankings and a user's own function: what they learn and what is served."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes
from sklearn.linear_model import Ridge

from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.metrics import get_metric
from everloop.extensions import candidates
from everloop.train.baseline import baseline
from everloop.train.candidates.own import OwnFunction
from everloop.train.fitting import Fitting
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.training import Training


def fitted(name, X, y, schema, groups=None):
    candidate = candidates.get(name)()
    params = candidate.defaults(len(X))
    if "n_estimators" in params:
        params["n_estimators"] = 30
    estimator = candidate.build(schema, schema.task, 0, params)
    candidate.fit(estimator, X, y, Fitting(groups=groups))
    return estimator


def served(model: bytes, X):
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(None, {"X": X}), strict=True))


@pytest.mark.parametrize("name", ["linear_quantile", "lightgbm", "hist_gradient_boosting"])
def test_quantiles_cover_what_they_say_and_are_served_alike(name):
    X, y, schema = mixed("regression", rows=500)
    schema = Schema(schema.features, "late", "quantile", quantiles=(0.1, 0.5, 0.9))
    estimator = fitted(name, X, y, schema)
    new, late, _ = mixed("regression", rows=1_000, seed=5)
    pred, both = predict(estimator, new, schema)
    within = np.mean((late >= both[:, 0]) & (late <= both[:, 2]))
    assert 0.5 < within < 0.95 and np.all(np.diff(both[:, :3], axis=1) >= 0)
    model = to_onnx(estimator, schema, X)
    for rows in (new, with_holes(new), new[:1]):
        out, (pred, both) = served(model, rows), predict(estimator, rows, schema)
        assert out["y"].shape == (len(rows),)
        np.testing.assert_allclose(out["y"], pred, atol=1e-5 * np.abs(pred).max())
        np.testing.assert_allclose(out["quantiles"], both[:, :3], atol=1e-5 * np.abs(pred).max())


def test_the_baseline_of_quantiles_knows_only_the_target():
    X, y, schema = mixed("regression", rows=500)
    schema = Schema(schema.features, "late", "quantile", quantiles=(0.1, 0.5, 0.9))
    pinball = get_metric("pinball")
    strategy, score = baseline(Training(X, y, schema, pinball.score, seed=0)) or ("", 0.0)
    known, levels = np.quantile(y, schema.quantiles), np.array(schema.quantiles)
    both = np.tile(np.concatenate([known, levels]), (len(y), 1))
    assert strategy == "quantiles"
    assert -score == pytest.approx(pinball.function(y, both[:, 1], both), rel=0.05)


def test_the_baseline_of_a_ranking_is_an_order_of_chance():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(600, 1)), rng.integers(0, 4, 600).astype(float)
    schema = Schema((Feature("a", "number"),), "clicks", "ranking", group="query")
    groups = np.repeat(np.arange(100), 6)
    score = get_metric("ndcg").score
    found = [baseline(Training(X, y, schema, score, seed=0, groups=groups)) for _ in range(2)]
    assert found[0] == found[1]  # asked again, the same orders are drawn
    strategy, value = found[0] or ("", 0.0)
    at_random = [score(y, rng.random(600), None, groups) for _ in range(50)]
    assert strategy == "chance" and value == pytest.approx(np.mean(at_random), abs=0.03)


@pytest.mark.parametrize("labelled", [True, False])
def test_the_isolation_forest_finds_what_lies_apart(labelled):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, 3))
    X[:30] += 6.0
    y = (np.arange(600) < 30).astype(np.int64)
    features = tuple(Feature(c, "number") for c in "abc")
    schema = Schema(features, "odd", "anomaly", (False, True))
    estimator = fitted("isolation_forest", X, y if labelled else np.zeros_like(y), schema)
    label, proba = predict(estimator, X, schema)
    assert label[:30].mean() > 0.8 and label[30:].mean() < 0.05
    out = served(to_onnx(estimator, schema, X), X)
    np.testing.assert_allclose(out["probabilities"], proba, atol=1e-5)


def test_lambdarank_puts_the_relevant_first():
    rng = np.random.default_rng(0)
    X, groups = rng.normal(size=(800, 3)), rng.permutation(np.repeat(np.arange(80), 10))
    y = np.clip(np.round(X[:, 0] + 0.3 * rng.normal(size=800) + 1), 0, 4)
    features = tuple(Feature(c, "number") for c in "abc")
    schema = Schema(features, "relevance", "ranking", group="query")
    estimator = fitted("lightgbm", X, y, schema, groups)
    pred, proba = predict(estimator, X, schema)
    assert proba is None and np.corrcoef(pred, y)[0, 1] > 0.8
    np.testing.assert_allclose(served(to_onnx(estimator, schema, X), X)["y"], pred, atol=1e-4)


def test_a_function_of_ones_own_is_trained_and_served():
    X = np.random.default_rng(0).normal(size=(100, 2))
    schema = Schema((Feature("a", "number"), Feature("b", "number")), "y", "regression")
    candidate = OwnFunction(lambda data: Ridge(alpha=data.seed + 1).fit(data.X, data.y))
    estimator = candidate.build(schema, "regression", 0, {})
    candidate.fit(estimator, X, X[:, 0] * 2, Fitting())
    model = to_onnx(estimator, schema, None)
    np.testing.assert_allclose(served(model, X)["y"], estimator.predict(X), atol=1e-9)
    missing = OwnFunction(lambda data: None).build(schema, "regression", 0, {})
    with pytest.raises(InvalidInput, match="a model with predict"):
        missing.fit(X, X[:, 0])
