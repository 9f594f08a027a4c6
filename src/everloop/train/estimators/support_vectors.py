"""Support vector machines with a radial kernel, and probabilities where there are classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxConcat,
    OnnxDiv,
    OnnxExp,
    OnnxMatMul,
    OnnxMul,
    OnnxReduceSum,
    OnnxSigmoid,
    OnnxSub,
)
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold, cross_val_predict
from sklearn.svm import SVC, SVR

from everloop.train.estimators._base import GraphClassifier, GraphRegressor
from everloop.train.estimators._distances import dense, scaled, squared, squared_graph

AT_A_TIME = 2_000


class _Kernel:
    """``f(x) = Σᵢ aᵢ exp(-γ |x - xᵢ|²) + b`` over the support vectors ``xᵢ``.

    ``gamma`` is a multiple of ``1 / (d var(X))``.
    """

    gamma: float
    points_: np.ndarray
    duals_: np.ndarray
    offsets_: np.ndarray
    width_: float

    def _width(self, rows: np.ndarray) -> float:
        return float(self.gamma / max(rows.shape[1] * float(rows.var()), 1e-12))

    def _keep(self, rows: np.ndarray, machines: list[Any]) -> None:
        """Gather the support vectors of several machines fitted on the same rows."""
        used = np.unique(np.concatenate([m.support_ for m in machines]))
        self.points_ = rows[used] if len(used) else rows[:1]
        self.duals_ = np.zeros((len(self.points_), len(machines)))
        for place, machine in enumerate(machines):
            self.duals_[np.searchsorted(used, machine.support_), place] = machine.dual_coef_[0]
        self.offsets_ = np.array([[float(m.intercept_[0]) for m in machines]])
        self.n_features_in_ = rows.shape[1]

    def _decide(self, X: Any) -> np.ndarray:
        rows = dense(X)
        parts = [
            np.exp(-self.width_ * squared(rows[i : i + AT_A_TIME], self.points_)) @ self.duals_
            for i in range(0, len(rows), AT_A_TIME)
        ]
        return np.concatenate(parts) + self.offsets_ if parts else np.zeros((0, 1))

    def _decision_graph(self, X: Any, opset: int) -> Any:
        far = squared_graph(X, self.points_, opset)
        kernel = OnnxExp(scaled(far, -self.width_, opset), op_version=opset)
        weighed = OnnxMatMul(kernel, self.duals_, op_version=opset)
        return OnnxAdd(weighed, self.offsets_, op_version=opset)


class SupportVectorClassifier(_Kernel, GraphClassifier):
    """One machine a class against the others (one in all when there are two).

    Decisions become probabilities by ``1 / (1 + exp(-(A f + B)))`` fitted on decisions of rows
    that the machine has not seen (Platt, 1999), and are scaled to sum to 1.
    """

    def __init__(self, C: float = 1.0, gamma: float = 1.0, random_state: int = 0) -> None:
        self.C, self.gamma, self.random_state = C, gamma, random_state

    def fit(self, X: Any, y: np.ndarray) -> SupportVectorClassifier:
        """Learn from n rows and their codes."""
        rows = dense(X)
        self.classes_ = np.unique(y)
        self.width_ = self._width(rows)
        positive = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        machines, links = [], []
        for code in positive:
            truth = (np.asarray(y) == code).astype(np.int64)
            machine = SVC(C=self.C, gamma=self.width_, random_state=self.random_state)
            links.append(self._link(machine, rows, truth))
            machines.append(machine.fit(rows, truth))
        self._keep(rows, machines)
        self.links_ = np.array(links).T  # A and B of each machine
        return self

    def _link(self, machine: Any, rows: np.ndarray, truth: np.ndarray) -> tuple[float, float]:
        turns = min(3, int(np.bincount(truth, minlength=2).min()))
        if turns < 2:
            return 1.0, 0.0
        parts = StratifiedKFold(turns, shuffle=True, random_state=self.random_state)
        unseen = cross_val_predict(machine, rows, truth, cv=parts, method="decision_function")
        link = LogisticRegression(C=1e3).fit(unseen.reshape(-1, 1), truth)
        return float(link.coef_[0, 0]), float(link.intercept_[0])

    def predict_proba(self, X: Any) -> np.ndarray:
        raw = self._decide(X) * self.links_[0] + self.links_[1]
        share = np.exp(-np.logaddexp(0.0, -raw))
        if len(self.classes_) == 2:
            return np.hstack([1.0 - share, share])
        share = share + 1e-9
        return np.asarray(share / share.sum(axis=1, keepdims=True))

    def graph(self, X: Any, opset: int) -> Any:
        slopes, offsets = self.links_[[0]], self.links_[[1]]
        turned = OnnxMul(self._decision_graph(X, opset), slopes, op_version=opset)
        share = OnnxSigmoid(OnnxAdd(turned, offsets, op_version=opset), op_version=opset)
        if len(self.classes_) == 2:
            other = OnnxSub(np.ones((1, 1)), share, op_version=opset)
            return OnnxConcat(other, share, axis=1, op_version=opset)
        share = OnnxAdd(share, np.array([[1e-9]]), op_version=opset)
        axis = np.array([1], dtype=np.int64)
        total = OnnxReduceSum(share, axis, keepdims=1, op_version=opset)
        return OnnxDiv(share, total, op_version=opset)


class SupportVectorRegressor(_Kernel, GraphRegressor):
    """Errors within ``epsilon`` of the target's spread cost nothing (Drucker et al., 1996)."""

    def __init__(self, C: float = 1.0, gamma: float = 1.0, epsilon: float = 0.1) -> None:
        self.C, self.gamma, self.epsilon = C, gamma, epsilon

    def fit(self, X: Any, y: np.ndarray) -> SupportVectorRegressor:
        """Learn from n rows and their targets, in any unit."""
        rows, target = dense(X), np.asarray(y, dtype=np.float64)
        self.width_ = self._width(rows)
        middle, spread = float(target.mean()), float(target.std()) or 1.0
        machine = SVR(C=self.C, gamma=self.width_, epsilon=self.epsilon)
        self._keep(rows, [machine.fit(rows, (target - middle) / spread)])
        self.duals_ = self.duals_ * spread
        self.offsets_ = self.offsets_ * spread + middle
        return self

    def predict(self, X: Any) -> np.ndarray:
        """One number a row."""
        return self._decide(X).ravel()

    def graph(self, X: Any, opset: int) -> Any:
        return self._decision_graph(X, opset)
