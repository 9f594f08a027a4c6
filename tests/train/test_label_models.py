"""Several labels a row: what every candidate learns is what the package answers."""

from __future__ import annotations

import numpy as np
import onnxruntime
import pytest
from mixed import mixed, with_holes

from everloop.data.schema import Schema
from everloop.evaluate.metrics import get_metric
from everloop.extensions import candidates
from everloop.train.baseline import baseline
from everloop.train.candidates._torch import TorchCandidate
from everloop.train.check import default_candidates
from everloop.train.fit import fit_candidates
from everloop.train.fitting import Fitting, silent
from everloop.train.label_thresholds import ThresholdedLabels, choose_thresholds
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec
from everloop.train.training import Training

LABELS = ("far", "windy", "aa")
BUILT_IN = [  # networks have their own tests
    name
    for name, made in candidates
    if "multilabel" in made().tasks and not issubclass(made, TorchCandidate)
]
SMALL = {"n_estimators": 15, "max_iter": 15, "min_samples_leaf": 5}


def labelled(rows: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Schema]:
    X, _, schema = mixed("binary", rows=rows, seed=seed)
    y = np.column_stack([np.nan_to_num(X[:, 0]) > 300, X[:, 1] > 0.5, X[:, 2] == 0])
    return X, y.astype(np.int64), Schema(schema.features, "labels", "multilabel", LABELS)


def served(model: bytes, X: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    label, probabilities = session.run(["label", "probabilities"], {"X": X})
    return label, probabilities


@pytest.mark.parametrize("name", BUILT_IN)
def test_the_package_answers_as_python_does_on_10_000_rows(name: str) -> None:
    X, y, schema = labelled(600)
    candidate = candidates.get(name)()
    params = candidate.defaults(len(X))
    params |= {key: value for key, value in SMALL.items() if key in params}
    estimator = candidate.build(schema, "multilabel", 0, params)
    candidate.fit(estimator, X, y, Fitting())
    new, truth, _ = labelled(10_000, seed=7)
    new[5_000:] = with_holes(new[5_000:])
    pred, proba = predict(estimator, new, schema)
    assert proba is not None and pred.shape == proba.shape == (10_000, 3)
    label, probabilities = served(to_onnx(estimator, schema, X), new)
    assert np.abs(probabilities - proba).max() < 1e-5
    clear = np.abs(proba - 0.5) > 2e-5
    assert np.array_equal(label[clear], pred[clear])
    assert ((proba >= 0) & (proba <= 1)).all()
    guess = np.maximum(y.mean(axis=0), 1 - y.mean(axis=0)).mean()
    assert (pred[:5_000] == truth[:5_000]).mean() > guess


def test_candidates_compete_and_each_label_gets_its_threshold() -> None:
    X, y, schema = labelled(300)
    metric, heard = get_metric("f1_macro"), []
    spec = TrainSpec(
        candidates=("logistic_regression", "decision_tree"),
        threshold="metric",
        prepare=PrepareSpec(missing="median", select=("l1",)),
    )
    best = fit_candidates(
        X, y, schema, spec, metric.score, 0, lambda stage, facts: heard.append((stage, facts))
    )[0]
    assert isinstance(best.estimator, ThresholdedLabels)
    cuts = best.prepared["threshold"]
    assert list(cuts) == list(LABELS) and any(cut != 0.5 for cut in cuts.values())
    label, probabilities = served(to_onnx(best.estimator, schema, X), X)
    assert np.array_equal(label, probabilities >= list(cuts.values()))
    (floor,) = [facts for stage, facts in heard if stage == "baseline"]
    assert floor["strategy"] == "majority" and floor["score"] < best.score


def test_thresholds_never_lower_the_score_they_are_chosen_by() -> None:
    rng = np.random.default_rng(0)
    y = (rng.random((400, 3)) < [0.5, 0.2, 0.05]).astype(np.int64)
    proba = np.clip(0.25 * y + 0.4 * rng.random(y.shape), 0, 1)
    score = get_metric("f1_macro").score
    before = score(y, (proba >= 0.5).astype(np.int64), proba)
    cuts = choose_thresholds(proba, y, score)
    assert score(y, (proba >= cuts).astype(np.int64), proba) > before


def test_a_label_that_never_varies_is_answered_as_it_was() -> None:
    X, y, schema = labelled(200)
    y[:, 1], y[:, 2] = 0, 1
    for name in ("logistic_regression", "random_forest", "knn"):
        candidate = candidates.get(name)()
        estimator = candidate.build(schema, "multilabel", 0, candidate.defaults(200))
        candidate.fit(estimator, X, y, Fitting())
        label, probabilities = served(to_onnx(estimator, schema, X), X)
        assert (label[:, 1:] == [0, 1]).all() and (probabilities[:, 1] == 0).all()


def test_the_baseline_knows_how_frequent_each_label_is() -> None:
    X, y, schema = labelled(300)
    training = Training(X, y, schema, get_metric("hamming_loss").score, seed=0)
    strategy, score = baseline(training) or ("", 0.0)
    shares = y.mean(axis=0)
    assert strategy == "majority"
    assert -score == pytest.approx(np.minimum(shares, 1 - shares).mean(), abs=0.01)
    assert default_candidates("multilabel") == ("logistic_regression", "lightgbm")
    assert silent("refit", {}) is None
