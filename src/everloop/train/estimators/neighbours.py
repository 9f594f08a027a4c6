"""Nearest neighbours, with ties counted in."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxCast,
    OnnxDiv,
    OnnxLessOrEqual,
    OnnxMatMul,
    OnnxMul,
    OnnxReduceMax,
    OnnxReduceSum,
    OnnxTopK,
)

from everloop.train.estimators._base import (
    DOUBLE,
    GraphClassifier,
    GraphLabels,
    GraphRegressor,
)
from everloop.train.estimators._distances import dense, squared, squared_graph

AT_A_TIME = 2_000  # rows whose distances are held together
RELATIVE, ABSOLUTE = 1e-9, 1e-9  # what still counts as equally near


class _Neighbours:
    """The mean of what the ``n_neighbors`` nearest rows say, Euclidean distance.

    All rows as near as the farthest of them count, so that the answer does not depend on the order
    of the rows; where categories dominate, many distances are equal.

    Attributes
    ----------
    points_ : the rows that are remembered, m by d.
    values_ : what each says, m by k.
    """

    n_neighbors: int
    points_: np.ndarray
    values_: np.ndarray

    def _remember(self, X: Any, values: np.ndarray) -> None:
        self.points_, self.values_ = dense(X), values
        self.n_features_in_ = self.points_.shape[1]

    def _count(self) -> int:
        return min(self.n_neighbors, len(self.points_))

    def _means(self, X: Any) -> np.ndarray:
        rows = dense(X)
        parts = []
        for first in range(0, len(rows), AT_A_TIME):
            far = squared(rows[first : first + AT_A_TIME], self.points_)
            edge = np.partition(far, self._count() - 1, axis=1)[:, [self._count() - 1]]
            near = (far <= edge * (1.0 + RELATIVE) + ABSOLUTE).astype(np.float64)
            parts.append(near @ self.values_ / near.sum(axis=1, keepdims=True))
        return np.concatenate(parts) if parts else np.zeros((0, self.values_.shape[1]))

    def graph(self, X: Any, opset: int) -> Any:
        """The same, as ONNX."""
        far = squared_graph(X, self.points_, opset)
        count = np.array([self._count()], dtype=np.int64)
        nearest = OnnxTopK(far, count, axis=1, largest=0, sorted=1, op_version=opset)[0]
        axis = np.array([1], dtype=np.int64)
        edge = OnnxReduceMax(nearest, axis, keepdims=1, op_version=opset)
        wide = OnnxMul(edge, np.array([[1.0 + RELATIVE]]), op_version=opset)
        limit = OnnxAdd(wide, np.array([[ABSOLUTE]]), op_version=opset)
        near = OnnxCast(OnnxLessOrEqual(far, limit, op_version=opset), to=DOUBLE, op_version=opset)
        said = OnnxMatMul(near, self.values_, op_version=opset)
        many = OnnxReduceSum(near, axis, keepdims=1, op_version=opset)
        return OnnxDiv(said, many, op_version=opset)


class NeighboursClassifier(_Neighbours, GraphClassifier):
    """Shares of the classes among the nearest rows."""

    def __init__(self, n_neighbors: int = 15) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: np.ndarray) -> NeighboursClassifier:
        """Remember n rows and their codes."""
        self.classes_ = np.unique(y)
        self._remember(X, (np.asarray(y)[:, None] == self.classes_).astype(np.float64))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self._means(X)


class NeighboursLabels(_Neighbours, GraphLabels):
    """Shares of each label among the nearest rows."""

    def __init__(self, n_neighbors: int = 15) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: np.ndarray) -> NeighboursLabels:
        """Remember n rows and their labels, n by k of 0 and 1."""
        self.n_labels_ = y.shape[1]
        self._remember(X, np.asarray(y, dtype=np.float64))
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        return self._means(X)


class NeighboursRegressor(_Neighbours, GraphRegressor):
    """The mean target of the nearest rows."""

    def __init__(self, n_neighbors: int = 15) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: np.ndarray) -> NeighboursRegressor:
        """Remember n rows and their targets."""
        self._remember(X, np.asarray(y, dtype=np.float64).reshape(-1, 1))
        return self

    def predict(self, X: Any) -> np.ndarray:
        """One number a row."""
        return self._means(X).ravel()
