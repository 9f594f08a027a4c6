"""What a model keeps to go on learning: the same answers, no pickle, the same bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema, Task
from everloop.errors import Integrity
from everloop.train.check import find_candidate
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.state._base import Lesson
from everloop.train.state.families import FAMILIES, why_not
from everloop.train.state.keeping import Resumable, kept, resumable
from everloop.train.threshold import Thresholded
from everloop.train.training import Training

FEATURES = (
    Feature("a", "number", nullable=True),
    Feature("b", "number"),
    Feature("k", "category", levels=("x", "y", "z")),
)
CLASSES: dict[str, tuple[str, ...]] = {"binary": ("no", "yes"), "multiclass": ("p", "q", "r")}
SMALL: dict[str, dict[str, Any]] = {
    "lightgbm": {"n_estimators": 20},
    "mlp": {"hidden_layer_sizes": 16, "alpha": 1e-4, "learning_rate_init": 0.01},
    "torch_mlp": {"epochs": 5, "hidden": 16, "batch_size": 64, "learning_rate": 0.02},
    "ridge": {"alpha": 1.0},
}
CASES: list[tuple[str, Task]] = [
    ("lightgbm", "binary"),
    ("lightgbm", "multiclass"),
    ("logistic_regression", "multiclass"),
    ("naive_bayes", "multiclass"),
    ("mlp", "regression"),
    ("ridge", "regression"),
    ("torch_mlp", "regression"),
]


def drawn(task: Task, n: int, moved: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    X = np.column_stack([rng.normal(size=(n, 2)), rng.integers(-1, 3, n)]).astype(np.float64)
    z = X[:, 0] + (X[:, 2] == 1) + moved + rng.normal(0, 0.3, n)
    X[rng.random(n) < 0.05, 0] = np.nan
    if task == "regression":
        return X, 50.0 + 10.0 * z
    return X, np.digitize(z, [0.5] if task == "binary" else [0.0, 1.0]).astype(np.int64)


def schema_for(task: Task) -> Schema:
    return Schema(features=FEATURES, target="t", task=task, classes=CLASSES.get(task, ()))


def fitted(algorithm: str, task: Task) -> tuple[Any, dict[str, bytes]]:
    X, y = drawn(task, 600, 0.0, 0)
    training = Training(X, y, schema_for(task), lambda *_: 0.0, 0)
    params = SMALL.get(algorithm, {})
    candidate = find_candidate(algorithm)
    estimator, _ = training.fit(candidate, params, training.prepared(slice(None)))
    if task == "binary":
        estimator = Thresholded(estimator, 0.4)
    files, why = kept(estimator, algorithm, params, training.schema, X, y)
    assert files, why
    return estimator, files


def read(files: dict[str, bytes], folder: Path) -> Resumable:
    for name, data in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    return resumable(folder)


@pytest.mark.parametrize(("algorithm", "task"), CASES)
def test_a_model_goes_on_from_its_files(algorithm: str, task: Task, tmp_path: Path) -> None:
    estimator, files = fitted(algorithm, task)
    assert not any(b"pickle" in data or data.startswith(b"\x80") for data in files.values())
    known, schema = read(files, tmp_path), schema_for(task)
    (X, y), (Xo, yo) = drawn(task, 300, 1.5, 1), drawn(task, 400, 0.0, 2)
    before = predict(known.estimator(known.model), X, schema)
    for told, then in zip(before, predict(estimator, X, schema), strict=True):
        assert told is then is None or np.allclose(told, then, atol=1e-9)

    def seen(rows: np.ndarray) -> np.ndarray:
        return rows if known.front is None else known.front.transform(rows)

    lesson = Lesson(seen(X), y, seen(Xo), yo, 1.5, 0)

    def error(pred: np.ndarray) -> float:
        return float(np.abs(pred - y).mean())

    errors = []
    for way in known.learner.ways:
        model = known.learner.learn(known.model, way, lesson, known.about)
        learned = known.estimator(model)
        to_onnx(learned, schema, X)  # which compares both
        errors.append(error(predict(learned, X, schema)[0]))
        again = known.learner.learn(known.model, way, lesson, known.about)
        assert known.files(again) == known.files(model)
    assert min(errors) < 0.95 * error(before[0])
    assert known.model is not model


def test_naive_bayes_learns_as_if_it_had_met_all_rows(tmp_path: Path) -> None:
    _, files = fitted("naive_bayes", "multiclass")
    known = read(files, tmp_path)
    assert known.front is not None
    X, y = drawn("multiclass", 600, 0.0, 0)
    more, labels = drawn("multiclass", 300, 1.5, 1)
    rows = [known.front.transform(part) for part in (X, more)]
    lesson = Lesson(rows[1], labels, rows[0][:1], y[:1])
    learned = known.learner.learn(known.model, "all rows alike", lesson, known.about)
    params = {"var_smoothing": learned.var_smoothing, "alpha": learned.alpha}
    whole = type(learned)(**params).fit(np.vstack(rows), np.concatenate([y, labels]))
    assert np.allclose(whole.predict_proba(rows[1]), learned.predict_proba(rows[1]))


def test_trees_do_not_grow_for_ever(tmp_path: Path) -> None:
    _, files = fitted("lightgbm", "binary")
    known = read(files, tmp_path)
    assert known.front is not None
    X, y = drawn("binary", 200, 1.0, 1)
    rows, model = known.front.transform(X), known.model
    for _ in range(4):
        model = known.learner.learn(model, "more rounds", Lesson(rows, y, rows, y), known.about)
    assert model.booster_.current_iteration() == 35  # 20, and 15 more once


def test_who_cannot_go_on_says_why(tmp_path: Path) -> None:
    assert "without pickle" in str(why_not("mine.models:Mine", "binary"))
    assert "grown from all rows" in str(why_not("random_forest", "binary"))
    assert "not for multilabel" in str(why_not("lightgbm", "multilabel"))
    assert all(why_not(name, family.tasks[0]) is None for name, family in FAMILIES.items())
    _, files = fitted("ridge", "regression")
    with pytest.raises(Integrity, match="state cannot be read"):
        read(files | {"state/weights.npz": b"no archive"}, tmp_path)
