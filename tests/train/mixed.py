"""Rows with everything in them: missing values, unseen levels, all kinds of features."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Feature, Schema, Task

CLASSES = {"regression": (), "binary": ("no", "yes"), "multiclass": ("low", "mid", "high")}
CATEGORY = 2  # column of X


def mixed(task: Task, rows: int = 600, seed: int = 0) -> tuple[np.ndarray, np.ndarray, Schema]:
    rng = np.random.default_rng(seed)
    X = np.column_stack(
        [
            rng.normal(size=rows) * 1e3,
            rng.normal(size=rows),
            rng.integers(-1, 5, rows),
            rng.integers(1, 13, rows),
            rng.integers(0, 7, rows),
            rng.random(rows) * 24,
            rng.integers(0, 2, rows),
        ]
    ).astype(np.float64)
    signal = X[:, 0] / 1e3 + X[:, 1] ** 2 + (X[:, 2] == 2) + 0.2 * rng.normal(size=rows)
    X[rng.random(rows) < 0.2, 0] = np.nan
    features = (
        Feature("distance", "number", nullable=True),
        Feature("wind", "number"),
        Feature("carrier", "category", tuple("abcde")),
        Feature("when", "datetime"),
        Feature("night", "boolean"),
    )
    schema = Schema(features, "late", task, CLASSES[task])
    if task == "regression":
        return X, signal * 100, schema
    edges = [1.0] if task == "binary" else [0.5, 1.5]
    return X, np.digitize(signal, edges), schema


def with_holes(X: np.ndarray, seed: int = 1) -> np.ndarray:
    """A fifth of the values taken away, also in columns that were complete in training."""
    holes = np.full(X.shape[1], np.nan)
    holes[CATEGORY] = -1.0
    return np.where(np.random.default_rng(seed).random(X.shape) < 0.2, holes, X)
