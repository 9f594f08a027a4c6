"""Naive Bayes that counts along."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from river import naive_bayes
from scipy.special import softmax
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxCast,
    OnnxConcat,
    OnnxExp,
    OnnxGreater,
    OnnxLog,
    OnnxMatMul,
    OnnxMul,
    OnnxReduceSum,
    OnnxSlice,
    OnnxSoftmax,
    OnnxSub,
)

from everloop.train.estimators._base import DOUBLE, GraphClassifier
from everloop.train.estimators._distances import dense
from everloop.train.online._base import Online
from everloop.train.online.linear import var_of

LEAST = 1e-9  # density and probability that river adds before it takes the logarithm
AT_A_TIME = 10_000  # rows


class OnlineBayes(Online, GraphClassifier):
    """``p(c|x) ∝ p(c) Πⱼ p(xⱼ|c)``: numbers normal, levels there or not (Duda and Hart, 1973).

    The first ``numbers`` columns are river's ``GaussianNB``, whose means and variances are
    Welford's (1962); the others its ``BernoulliNB``. Nothing is forgotten.

    Parameters
    ----------
    alpha : added to each count of a level. numbers : how many of the first columns are numbers.
    """

    forgets = False

    def __init__(self, alpha: float = 1.0, numbers: int = 0) -> None:
        self.alpha, self.numbers = alpha, numbers

    def _classes(self, y: np.ndarray) -> None:
        self.classes_ = np.unique(y)

    def _begin(self) -> None:
        made: Any = naive_bayes
        self.learner_ = made.GaussianNB(), made.BernoulliNB(alpha=self.alpha)

    def _event(self, row: list[float], target: Any) -> None:
        normal, levels = self.learner_
        normal.learn_one(dict(enumerate(row[: self.numbers])), target)
        there = {c: 1 for c in range(self.numbers, len(row)) if row[c] > 0.0}
        levels.learn_one(there, target)

    def _settle(self) -> None:
        normal, levels = self.learner_
        codes, width = self.classes_.tolist(), self.n_features_in_
        self.means_, self.scales_ = np.zeros((2, len(codes), self.numbers))
        self.slopes_, self.offsets_ = np.zeros((width, len(codes))), np.zeros((1, len(codes)))
        for place, code in enumerate(codes):
            share = levels.p_class(code)
            self.offsets_[0, place] = math.log(share) if share else -math.inf
            for column in range(self.numbers):
                var = normal.gaussians[code][column]._var
                self.means_[place, column] = var.mean.get()
                self.scales_[place, column] = 1 / math.sqrt(var.get()) if var.get() > 0 else 0.0
            for column in levels.feature_counts:
                chance = levels.p_feature_given_class(column, code)
                gone = math.log(LEAST + (1.0 - chance))
                self.slopes_[column, place] = math.log(LEAST + chance) - gone
                self.offsets_[0, place] += gone

    def predict_proba(self, X: Any) -> np.ndarray:
        parts = [self._some(X[i : i + AT_A_TIME]) for i in range(0, X.shape[0], AT_A_TIME)]
        return np.concatenate(parts) if parts else np.zeros((0, len(self.classes_)))

    def _some(self, X: Any) -> np.ndarray:
        rows = dense(X)
        joint = (rows > 0.0) @ self.slopes_ + self.offsets_
        for place in range(len(self.classes_)):
            away = (rows[:, : self.numbers] - self.means_[place]) * self.scales_[place]
            density = np.exp(-0.5 * away**2) * (self.scales_[place] / math.sqrt(math.tau))
            joint[:, place] += np.log(LEAST + density).sum(axis=1)
        return np.asarray(softmax(joint, axis=1))

    def graph(self, X: Any, opset: int) -> Any:
        whole = OnnxAdd(self._of_levels(X, opset), self.offsets_, op_version=opset)
        if self.numbers:
            ends = [np.array([i], dtype=np.int64) for i in (0, self.numbers, 1)]
            rows = OnnxSlice(X, *ends, op_version=opset)
            parts = [self._of_class(rows, c, opset) for c in range(len(self.classes_))]
            whole = OnnxAdd(whole, OnnxConcat(*parts, axis=1, op_version=opset), op_version=opset)
        return OnnxSoftmax(whole, axis=1, op_version=opset)

    def _of_levels(self, X: Any, opset: int) -> Any:
        return OnnxMatMul(_there(X, opset), self.slopes_, op_version=opset)

    def _of_class(self, rows: Any, place: int, opset: int) -> Any:
        """The sum of the logarithms of a class's densities, n by 1."""
        scales = self.scales_[[place]]
        moved = OnnxSub(rows, self.means_[[place]], op_version=opset)
        away = OnnxMul(moved, scales, op_version=opset)
        square = OnnxMul(away, away, op_version=opset)
        shape = OnnxExp(OnnxMul(square, np.array([[-0.5]]), op_version=opset), op_version=opset)
        density = OnnxMul(shape, scales / math.sqrt(math.tau), op_version=opset)
        told = OnnxLog(OnnxAdd(density, np.array([[LEAST]]), op_version=opset), op_version=opset)
        return OnnxReduceSum(told, np.array([1], dtype=np.int64), keepdims=1, op_version=opset)

    def state(self) -> Any:
        normal, levels = self.learner_
        return {
            "classes": [list(pair) for pair in levels.class_counts.items()],
            "normal": [
                [code, [[v.mean.n, v.mean.get(), v._S] for v in (g._var for g in known.values())]]
                for code, known in normal.gaussians.items()
            ],
            "levels": [
                [column, [list(pair) for pair in counts.items()]]
                for column, counts in levels.feature_counts.items()
            ],
        }

    def _resume(self, state: Any) -> None:
        normal, levels = self.learner_
        codes = set(self.classes_.tolist())
        for known in (normal.class_counts, levels.class_counts):
            known.update({_among(codes, code): int(count) for code, count in state["classes"]})
        for code, said in state["normal"]:
            if len(said) != self.numbers:
                raise ValueError(f"a class has {len(said)} means, expected {self.numbers}")
            for column, one in enumerate(said):
                normal.gaussians[_among(codes, code)][column]._var = var_of(one, ddof=0)
        for column, counts in state["levels"]:
            if not self.numbers <= column < self.n_features_in_:
                raise ValueError(f"there are counts of a column {column!r}, which is no level")
            told = {_among(codes, code): int(count) for code, count in counts}
            levels.feature_counts[column].update(told)


def _there(X: Any, opset: int) -> Any:
    """1 where a column is more than 0, else 0."""
    more = OnnxGreater(X, np.array([[0.0]]), op_version=opset)
    return OnnxCast(more, to=DOUBLE, op_version=opset)


def _among(codes: set[int], code: Any) -> int:
    if code not in codes:
        raise ValueError(f"there are counts of a class {code!r} that it does not tell")
    return int(code)
