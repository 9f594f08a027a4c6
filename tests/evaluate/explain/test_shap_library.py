"""Shapley values by the library shap: the right explainer, the right sums, and our own beside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from everloop.data.schema import Feature, Schema, Task
from everloop.deploy.attribution import shapley
from everloop.evaluate.explain.attributions import attributions, explained_number
from everloop.evaluate.explain.library import by_library
from everloop.evaluate.metrics import default_metric
from everloop.train.fit import fit_candidates
from everloop.train.predictions import predict
from everloop.train.spec import PrepareSpec, TrainSpec

FEATURES = (
    Feature("a", "number"),
    Feature("b", "number"),
    Feature("c", "category", ("p", "q", "r", "s")),
    Feature("d", "boolean"),
)
NUMBERS = (Feature("a", "number"), Feature("b", "number"))
CLASSES: dict[str, tuple[Any, ...]] = {"binary": (False, True), "multiclass": ("u", "v", "w")}
ROWS = 300


def fitted(name: str, task: Task, features: tuple[Feature, ...] = FEATURES, **spec: Any) -> Any:
    """A pipeline as training makes it, and the rows that it saw; some are missing."""
    rng = np.random.default_rng(0)
    schema = Schema(features, "y", task, CLASSES.get(task, ()))
    X = np.column_stack(
        [
            rng.integers(0, len(f.levels), ROWS) if f.kind == "category"
            else rng.integers(0, 2, ROWS) if f.kind == "boolean"
            else rng.normal(size=ROWS)
            for f in features
        ]
    ).astype(np.float64)  # fmt: skip
    X[::17, 1] = np.nan
    z = (
        1.5 * X[:, 0]
        + np.nan_to_num(X[:, 1]) * (1 + np.nan_to_num(X[:, -1]))
        + 0.3 * rng.normal(size=ROWS)
    )
    y: np.ndarray = z
    if task in CLASSES:
        y = np.digitize(z, [0.0] if task == "binary" else [-1.0, 1.0]).astype(np.int64)
    found = fit_candidates(
        X, y, schema, TrainSpec(candidates=(name,), **spec), default_metric(task).score, 0,
        lambda *_: None,
    )  # fmt: skip
    return found[0].estimator, X, schema


def both(name: str, task: Task, **more: Any) -> tuple[Any, np.ndarray, np.ndarray]:
    """What the library found, and of the same rows our own estimate and the answers."""
    estimator, X, schema = fitted(name, task, **more)

    def answers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return predict(estimator, rows, schema)

    found = by_library(estimator, answers, X[:16], X[100:132], schema)

    def output(rows: np.ndarray) -> np.ndarray:
        pred, proba = answers(rows)
        if proba is None:
            return np.asarray(pred, dtype=np.float64)
        p = np.clip(proba[:, 1], 1e-9, 1 - 1e-9)
        return np.log(p / (1 - p)) if found.scale == "log-odds" else p

    spans = list(schema.spans.values())
    own = shapley(output, found.X[:8], X[100:132], spans, evaluations=4_096)
    return found, own.values, own.answers - own.base


@pytest.mark.parametrize(
    ("name", "task", "explainer", "scale"),
    [
        ("random_forest", "binary", "TreeExplainer", ""),
        ("lightgbm", "binary", "TreeExplainer", "log-odds"),
        ("lightgbm", "regression", "TreeExplainer", ""),
        ("logistic_regression", "binary", "LinearExplainer", "log-odds"),
        ("ridge", "regression", "LinearExplainer", ""),
        ("naive_bayes", "binary", "PermutationExplainer", ""),
    ],
)
def test_each_family_has_its_explainer_and_ours_agrees(
    name: str, task: Task, explainer: str, scale: str
) -> None:
    found, own, moved = both(name, task)
    assert (found.explainer, found.scale) == (explainer, scale)
    spread = np.abs(found.values).mean()
    np.testing.assert_allclose(found.values[:8].sum(axis=1), moved, atol=0.1 * spread)
    assert np.abs(found.values[:8] - own).max() < 0.35 * spread
    assert np.corrcoef(found.values[:8].ravel(), own.ravel())[0, 1] > 0.995


def test_a_network_that_is_smooth_is_explained_by_its_gradients() -> None:
    space = {"torch_mlp": {"epochs": 20, "hidden": 16}}
    found, own, moved = both("torch_mlp", "regression", features=NUMBERS, space=space)
    assert found.explainer == "GradientExplainer"
    assert np.corrcoef(found.values[:8].ravel(), own.ravel())[0, 1] > 0.95
    assert np.corrcoef(found.values[:8].sum(axis=1), moved)[0, 1] > 0.98


def test_the_class_that_is_answered_is_explained_of_three() -> None:
    estimator, X, schema = fitted("random_forest", "multiclass")

    def answers(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray | None]:
        return predict(estimator, rows, schema)

    found = by_library(estimator, answers, X[:20], X[100:132], schema)
    proba = answers(found.X)[1]
    assert found.explainer == "TreeExplainer" and proba is not None
    base = answers(X[100:132])[1].mean(axis=0)  # type: ignore[union-attr]
    answered = proba.argmax(axis=1)
    np.testing.assert_allclose(
        base[answered] + found.values.sum(axis=1), proba.max(axis=1), atol=1e-6
    )


def test_values_come_back_to_the_columns_of_the_data_through_preparation() -> None:
    prepare = PrepareSpec(missing="median", categories="one_hot")
    found, own, _ = both("extra_trees", "regression", prepare=prepare)
    assert found.explainer == "TreeExplainer" and found.values.shape[1] == len(FEATURES)
    assert np.corrcoef(found.values[:8].ravel(), own.ravel())[0, 1] > 0.995


def test_what_mixes_features_is_asked_from_outside() -> None:
    found, _, _ = both("ridge", "regression", prepare=PrepareSpec(missing="iterative"))
    assert found.explainer == "PermutationExplainer"


def test_sizes_are_sorted_and_shades_follow_the_values() -> None:
    schema = Schema(FEATURES, "y", "binary", (False, True))
    X = np.array([[0.0, 5.0, 1.0, 0.0], [1.0, np.nan, 2.0, 1.0], [2.0, 1.0, 3.0, 1.0]])
    values = np.array([[0.1, -3.0, 0.0, 1.0], [0.1, 3.0, 0.0, 1.0], [0.1, 3.0, 0.0, 1.0]])
    made = attributions(values, X, schema, explainer="e", of=explained_number(schema))
    assert [name for name, _ in made.sizes] == ["b", "d", "a", "c"]
    shades = {one.feature: one.shades for one in made.swarms}
    assert shades["a"] == [0.0, 0.5, 1.0] and shades["b"] == [1.0, None, 0.0]
    assert shades["c"] == [None, None, None] and made.of == "the probability that y is True"
