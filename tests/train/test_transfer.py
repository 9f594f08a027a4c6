"""What one model takes along of another: features by name, trees, layers, rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from everloop.data.schema import Feature, Schema
from everloop.train.check import find_candidate
from everloop.train.fitting import Fitting
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.state.front import Front
from everloop.train.state.keeping import kept, resumable
from everloop.train.training import Training
from everloop.train.transfer.mapping import Mapped
from everloop.train.transfer.network import fine_tuned
from everloop.train.transfer.trees import warm_trees
from everloop.train.transfer.weights import domain_weights, effective

PARENT = Schema(
    features=(
        Feature("a", "number"),
        Feature("lost", "number"),
        Feature("k", "category", levels=("x", "y", "z")),
    ),
    target="t",
    task="binary",
    classes=("no", "yes"),
)
GOAL = Schema(
    features=(
        Feature("new", "number"),
        Feature("k", "category", levels=("z", "w", "x")),
        Feature("a", "number"),
    ),
    target="t",
    task="binary",
    classes=("no", "yes"),
)


def old_rows(n: int = 1500) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=(n, 2)), rng.integers(-1, 3, n)]).astype(np.float64)
    return X, (X[:, 0] + 2 * (X[:, 2] == 2) + rng.normal(0, 0.3, n) > 0.5).astype(np.int64)


def new_rows(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """The same world by other columns, and one that matters a little."""
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=n), rng.integers(-1, 3, n), rng.normal(size=n)])
    z = X[:, 2] + 2 * (X[:, 1] == 0) + 0.3 * X[:, 0] + rng.normal(0, 0.3, n)
    return X.astype(np.float64), (z > 0.5).astype(np.int64)


def packed(algorithm: str, params: dict[str, Any], folder: Path) -> None:
    X, y = old_rows()
    training = Training(X, y, PARENT, lambda *_: 0.0, 0)
    estimator, _ = training.fit(find_candidate(algorithm), params, training.prepared(slice(None)))
    files, why = kept(estimator, algorithm, params, PARENT, X, y)
    assert files, why
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)


def scratch(algorithm: str, params: dict[str, Any], X: np.ndarray, y: np.ndarray) -> Any:
    training = Training(X, y, GOAL, lambda *_: 0.0, 0)
    return training.fit(find_candidate(algorithm), params, training.prepared(slice(None)))[0]


def right(estimator: Any, X: np.ndarray, y: np.ndarray) -> float:
    return float((predict(estimator, X, GOAL)[0] == y).mean())


def test_rows_are_mapped_by_name_and_level() -> None:
    X = np.array([[9.0, 0.0, 1.5], [np.nan, 1.0, np.nan], [8.0, -1.0, 2.0], [7.0, 2.0, 3.0]])
    mapped = Mapped(GOAL, PARENT)
    expected = np.array(
        [[1.5, np.nan, 2.0], [np.nan, np.nan, -1.0], [2.0, np.nan, -1.0], [3.0, np.nan, 0.0]]
    )
    assert np.array_equal(mapped.transform(X), expected, equal_nan=True)
    assert np.array_equal(Front.of([mapped], X).transform(X), expected, equal_nan=True)


@pytest.mark.parametrize("algorithm", ["lightgbm", "torch_mlp"])
def test_a_parent_is_better_than_nothing_for_few_rows(algorithm: str, tmp_path: Path) -> None:
    params: dict[str, Any] = {"n_estimators": 40}
    if algorithm == "torch_mlp":
        params = {"epochs": 6, "hidden": 32, "batch_size": 32, "learning_rate": 0.01}
    packed(algorithm, params, tmp_path)
    (X, y), (later, truth) = new_rows(120, 1), new_rows(1000, 2)
    if algorithm == "lightgbm":
        made: Any = warm_trees(tmp_path, PARENT, GOAL, X, y, 0)
        again: Any = warm_trees(tmp_path, PARENT, GOAL, X, y, 0)
    else:
        made = again = fine_tuned(tmp_path, PARENT, GOAL, X, y, Fitting())
    assert right(made, later, truth) > right(scratch(algorithm, params, X, y), later, truth) + 0.02
    graph = to_onnx(made, GOAL, later)
    session = onnxruntime.InferenceSession(graph)
    assert session.run(["label"], {"X": later})[0].shape == (1000,)
    assert np.array_equal(made.predict_proba(later), again.predict_proba(later))
    files, why = kept(made, algorithm, {}, GOAL, X, y)  # it can go on in its turn
    assert files, why
    assert resumable(tmp_path).about.algorithm == algorithm


def test_layers_serve_another_task(tmp_path: Path) -> None:
    params = {"epochs": 4, "hidden": 32, "batch_size": 64, "learning_rate": 0.01}
    packed("torch_mlp", params, tmp_path)
    goal = Schema(features=PARENT.features, target="amount", task="regression")
    X, y = old_rows(300)
    amount = 100.0 + 50.0 * y
    made = fine_tuned(tmp_path, PARENT, goal, X, amount, Fitting())
    assert float(np.abs(made.predict(X) - amount).mean()) < 20.0


def test_old_rows_weigh_as_much_as_they_look_new() -> None:
    rng = np.random.default_rng(0)
    old, new = rng.normal(0, 1, (3000, 1)), rng.normal(1, 1, (1000, 1))
    weights = domain_weights(old, new, 0)
    ratio = np.exp(old[:, 0] - 0.5)  # of the two normal densities
    assert np.corrcoef(np.log(weights + 1e-3), np.log(ratio))[0, 1] > 0.85
    assert abs(np.average(old[:, 0], weights=weights) - 1.0) < 0.15
    assert 500 < effective(weights) < 3000
