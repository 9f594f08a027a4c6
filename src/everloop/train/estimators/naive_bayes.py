"""Naive Bayes over numbers and one-hot levels together."""

from __future__ import annotations

from collections.abc import Mapping
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
        self.__dict__.pop("sums_", None)
        return self.partial_fit(X, y)

    def partial_fit(self, X: Any, y: np.ndarray, classes: Any = None) -> NaiveBayes:
        """Learn from more rows; the first call names all ``classes``, if some are still to come.

        The model is the one that :meth:`fit` makes of all rows together.
        """
        rows = dense(X)
        if not hasattr(self, "sums_"):
            self.classes_ = np.unique(y if classes is None else classes)
            self.n_features_in_ = rows.shape[1]
            self.sums_ = _Sums(len(self.classes_), rows.shape[1])
        for place, code in enumerate(self.classes_):
            self.sums_.add(place, rows[y == code])
        self._settle(self.sums_)
        return self

    def of_sums(self, kept: Mapping[str, np.ndarray], classes: np.ndarray) -> NaiveBayes:
        """The model of sums that were kept, by their names in :class:`_Sums`."""
        self.classes_, self.n_features_in_ = classes, kept["means"].shape[1]
        self.sums_ = _Sums(*kept["means"].shape)
        for name, values in kept.items():
            setattr(self.sums_, name, values)
        self._settle(self.sums_)
        return self

    def _settle(self, sums: _Sums) -> None:
        counts, numbers = sums.counts, sums.numbers
        self.squares_, self.slopes_ = np.zeros((2, self.n_features_in_, len(counts)))
        with np.errstate(divide="ignore"):
            self.offsets_ = np.log(counts / counts.sum()).reshape(1, -1)
        overall = sums.variance_of_all()
        room = self.var_smoothing * max(float(overall.max(initial=0.0)), 1e-12)
        for place, count in enumerate(counts):
            mean, variance = sums.means[place], sums.variance(place) + room
            normal = -0.5 * (np.log(2 * np.pi * variance) + mean**2 / variance)
            self.squares_[:, place] = np.where(numbers, -0.5 / variance, 0.0)
            share = (mean * count + self.alpha) / (count + 2 * self.alpha)
            level = np.log(np.where(numbers, 1.0, np.clip(share, 1e-300, None)))
            self.slopes_[:, place] = np.where(numbers, mean / variance, level)
            self.offsets_[0, place] += normal[numbers].sum()

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


class _Sums:
    """Rows, means and squared deviations of each class, put together as they come (Chan, 1979)."""

    def __init__(self, classes: int, columns: int) -> None:
        self.counts = np.zeros(classes)
        self.means = np.zeros((classes, columns))
        self.deviations = np.zeros((classes, columns))
        self.numbers = np.zeros(columns, dtype=bool)  # columns that hold more than 0 and 1

    def add(self, place: int, rows: np.ndarray) -> None:
        """More rows of the class at ``place``."""
        if not len(rows):
            return
        self.numbers |= ~((rows == 0) | (rows == 1)).all(axis=0)
        before, mean = self.counts[place], rows.mean(axis=0)
        total = before + len(rows)
        away = mean - self.means[place]
        self.means[place] += away * len(rows) / total
        squares = len(rows) * rows.var(axis=0)
        self.deviations[place] += squares + away**2 * before * len(rows) / total
        self.counts[place] = total

    def variance(self, place: int) -> np.ndarray:
        """Of the columns within a class."""
        return np.asarray(self.deviations[place] / max(self.counts[place], 1.0))

    def variance_of_all(self) -> np.ndarray:
        """Of the columns over all classes."""
        shares = self.counts / max(self.counts.sum(), 1.0)
        middle = shares @ self.means
        between = shares @ (self.means - middle) ** 2
        return np.asarray(self.deviations.sum(axis=0) / max(self.counts.sum(), 1.0) + between)
