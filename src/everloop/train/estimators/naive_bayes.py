"""Naive Bayes over numbers and one-hot levels together."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxMatMul, OnnxMul, OnnxSoftmax

from everloop.train.estimators._base import GraphClassifier
from everloop.train.estimators._distances import dense


class NaiveBayes(GraphClassifier):
    """``p(c|x) ∝ p(c) Πⱼ p(xⱼ|c)``.

    A column of numbers is normal within a class; a column that holds only 0 and 1 is the indicator
    of a level: ``xⱼ log((nⱼ + alpha) / (n + 2 alpha))``, and nothing where it is 0, so that a
    missing level says nothing. Every log-density is quadratic in ``x``: two matrix products.

    Attributes
    ----------
    squares_, slopes_ : what ``x²`` and ``x`` add to each class's log-probability, d by k.
    offsets_ : the constants, 1 by k.
    """

    def __init__(self, var_smoothing: float = 1e-6, alpha: float = 1.0) -> None:
        self.var_smoothing, self.alpha = var_smoothing, alpha

    def fit(self, X: Any, y: np.ndarray) -> NaiveBayes:
        """Learn from n rows, dense or sparse, and their codes."""
        rows = dense(X)
        self.classes_, counts = np.unique(y, return_counts=True)
        self.n_features_in_ = rows.shape[1]
        shape = (rows.shape[1], len(self.classes_))
        self.squares_, self.slopes_ = np.zeros(shape), np.zeros(shape)
        self.offsets_ = np.log(counts / counts.sum()).reshape(1, -1)
        numbers = ~((rows == 0) | (rows == 1)).all(axis=0)
        room = self.var_smoothing * max(float(rows.var(axis=0).max(initial=0.0)), 1e-12)
        for place, code in enumerate(self.classes_):
            of_class = rows[y == code]
            mean, variance = of_class.mean(axis=0), of_class.var(axis=0) + room
            normal = -0.5 * (np.log(2 * np.pi * variance) + mean**2 / variance)
            self.squares_[:, place] = np.where(numbers, -0.5 / variance, 0.0)
            share = (of_class.sum(axis=0) + self.alpha) / (len(of_class) + 2 * self.alpha)
            level = np.log(np.where(numbers, 1.0, np.clip(share, 1e-300, None)))
            self.slopes_[:, place] = np.where(numbers, mean / variance, level)
            self.offsets_[0, place] += normal[numbers].sum()
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        rows = dense(X)
        joint = rows**2 @ self.squares_ + rows @ self.slopes_ + self.offsets_
        likelihood = np.exp(joint - joint.max(axis=1, keepdims=True))
        return np.asarray(likelihood / likelihood.sum(axis=1, keepdims=True))

    def graph(self, X: Any, opset: int) -> Any:
        squares = OnnxMatMul(OnnxMul(X, X, op_version=opset), self.squares_, op_version=opset)
        slopes = OnnxMatMul(X, self.slopes_, op_version=opset)
        joint = OnnxAdd(OnnxAdd(squares, slopes, op_version=opset), self.offsets_, op_version=opset)
        return OnnxSoftmax(joint, axis=1, op_version=opset)
