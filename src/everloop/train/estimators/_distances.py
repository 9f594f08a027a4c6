"""Squared distances to a fixed set of points, in NumPy and as an ONNX graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy import sparse
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxMatMul, OnnxMax, OnnxMul, OnnxReduceSumSquare


def dense(X: Any) -> np.ndarray:
    """The rows as a plain float64 array; preparation may have made them sparse."""
    return np.asarray(X.toarray() if sparse.issparse(X) else X, dtype=np.float64)


def squared(X: np.ndarray, points: np.ndarray) -> np.ndarray:
    """``|x|² - 2 x·p + |p|²``, n by m, never below 0."""
    norms = (X**2).sum(axis=1)[:, None] + (points**2).sum(axis=1)
    return np.asarray(np.maximum(norms - 2.0 * (X @ points.T), 0.0))


def squared_graph(X: Any, points: np.ndarray, opset: int) -> Any:
    """The operator that answers what :func:`squared` does."""
    own = OnnxReduceSumSquare(X, np.array([1], dtype=np.int64), keepdims=1, op_version=opset)
    cross = OnnxMatMul(X, -2.0 * points.T, op_version=opset)
    theirs = (points**2).sum(axis=1).reshape(1, -1)
    total = OnnxAdd(OnnxAdd(own, theirs, op_version=opset), cross, op_version=opset)
    return OnnxMax(total, np.zeros((1, 1)), op_version=opset)


def scaled(X: Any, factor: float, opset: int) -> Any:
    """The wire times a number."""
    return OnnxMul(X, np.array([[factor]]), op_version=opset)
