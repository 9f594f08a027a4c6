"""Texts, images and sequences in linear models and trees: the package answers as Python does."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from sklearn.feature_extraction.text import TfidfTransformer

from everloop.data.schema import Feature, Schema
from everloop.train.check import chosen_candidates
from everloop.train.fitting import Fitting
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.preparation.steps import ScaledSteps
from everloop.train.preparation.texts import WordWeights
from everloop.train.spec import TrainSpec

ROWS = 10_000
WORDS = tuple(f"w{i}" for i in range(30))
TEXT = Feature("text", "text", WORDS, shape=(12,))
IMAGE = Feature("image", "image", shape=(4, 4, 1))
STEPS = Feature("steps", "sequence", shape=(6, 2))
NUMBER = Feature("n", "number")


def examples(feature: Feature, rows: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    number = rng.normal(size=(rows, 1))
    if feature.kind == "text":
        block = rng.integers(0, len(WORDS) + 1, (rows, feature.width)).astype(float)
        block[np.arange(12) >= rng.integers(0, 13, rows)[:, None]] = -1
        y = (block == 3).any(axis=1) | (block == 5).any(axis=1)
    else:
        block = rng.integers(0, 256, (rows, feature.width)).astype(float)
        block[rng.random(rows) < 0.1] = np.nan
        y = np.nan_to_num(block[:, -4:], nan=100.0).mean(axis=1) > 127
    return np.hstack([block, number]), y.astype(np.int64)


@pytest.mark.parametrize("name", ["logistic_regression", "random_forest", "lightgbm"])
@pytest.mark.parametrize("feature", [TEXT, IMAGE, STEPS], ids=lambda f: f.kind)
def test_the_package_answers_as_python_does_on_10_000_rows(feature: Feature, name: str) -> None:
    X, y = examples(feature, ROWS)
    schema = Schema((feature, NUMBER), "y", "binary", (False, True))
    candidate = chosen_candidates(TrainSpec(candidates=(name,)), "binary")[name]
    params = candidate.defaults(1000) | ({} if name.startswith("log") else {"n_estimators": 20})
    estimator = candidate.build(schema, "binary", 0, params)
    candidate.fit(estimator, X[:2000], y[:2000], Fitting())
    session = onnxruntime.InferenceSession(to_onnx(estimator, schema, X[:200]))
    labels, probabilities = session.run(None, {"X": X})
    expected, proba = predict(estimator, X, schema)
    assert np.abs(probabilities - proba).max() < 1e-5
    clear = np.abs(proba[:, 1] - 0.5) > 2e-5
    assert np.array_equal(labels[clear], expected[clear])
    everything = np.full((1, schema.width), np.nan)
    assert np.allclose(
        session.run(None, {"X": everything})[1], predict(estimator, everything, schema)[1]
    )
    assert (expected[2000:] == y[2000:]).mean() > 0.75


def test_word_weights_are_scikit_learns_tf_idf() -> None:
    X, _ = examples(TEXT, 500)
    block = X[:, :12]
    counts = np.array([[(row == w).sum() for w in range(len(WORDS))] for row in block])
    expected = TfidfTransformer(sublinear_tf=True).fit_transform(counts).toarray()
    weights = WordWeights(len(WORDS)).fit(block)
    assert np.allclose(weights.transform(block).toarray(), expected, atol=1e-12)
    few = WordWeights(len(WORDS), limit=4, dense=True).fit(block).transform(block)
    assert few.shape == (500, 4)


def test_steps_share_one_scale_and_missing_ones_are_the_mean() -> None:
    X = np.array([[np.nan, np.nan, 1.0, 10.0], [3.0, 30.0, 5.0, 50.0]])
    scaled = ScaledSteps(2).fit(X).transform(X)
    assert np.allclose(scaled[0, :2], 0)
    assert np.allclose(scaled[:, 2], [-np.sqrt(1.5), np.sqrt(1.5)])
    assert np.allclose(scaled[:, 2], scaled[:, 3])
