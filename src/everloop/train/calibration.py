"""Probabilities that mean what they say, as a part of the model.

A classifier's scores are mapped to probabilities by what happened on rows that it was not fitted
on. Of two classes one map is learned; of more, one a class against the rest, and the results are
divided by their sum.
"""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from scipy.optimize import minimize
from sklearn.base import BaseEstimator
from sklearn.isotonic import IsotonicRegression

from everloop.data.schema import Schema

Method = Literal["isotonic", "platt"]
KNOTS = 200  # of an isotonic map, at most
FEW_ROWS = 1_000  # below this, isotonic regression follows the noise
STEEPEST = 20.0  # slope of an isotonic map
TINY = 1e-7  # probabilities are kept this far from 0 and 1 before a logarithm


class Map:
    """From a score in [0, 1] to a probability, piecewise linear or logistic.

    Attributes
    ----------
    x, p : knots of an isotonic map (Zadrozny and Elkan, 2002); empty for Platt's.
    a, b : ``1 / (1 + exp(-(a logit(s) + b)))`` (Platt, 1999, on the logit of the score).
    """

    def __init__(self, method: Method, scores: np.ndarray, hits: np.ndarray) -> None:
        self.x, self.p, self.a, self.b = np.empty(0), np.empty(0), 1.0, 0.0
        if method == "isotonic":
            self.x, self.p = _isotonic(scores, hits)
        else:
            self.a, self.b = _platt(scores, hits)

    @classmethod
    def of(cls, x: np.ndarray, p: np.ndarray, a: float, b: float) -> Map:
        """The map of numbers that were kept."""
        made = cls.__new__(cls)
        made.x, made.p, made.a, made.b = x, p, a, b
        return made

    def __call__(self, scores: np.ndarray) -> np.ndarray:
        if len(self.x):
            return np.asarray(np.interp(scores, self.x, self.p))
        return np.asarray(1.0 / (1.0 + np.exp(-(self.a * _logit(scores) + self.b))))


class Calibrated(BaseEstimator):  # type: ignore[misc]
    """A fitted classifier whose probabilities go through maps.

    Parameters
    ----------
    estimator : with ``predict_proba`` and ``classes_``.
    maps : one for the second of two classes, or one for each of more.
    """

    def __init__(self, estimator: Any, maps: list[Map], method: Method) -> None:
        self.estimator, self.maps, self.method = estimator, maps, method

    @property
    def classes_(self) -> np.ndarray:
        return np.asarray(self.estimator.classes_)

    def mapped(self, proba: np.ndarray) -> np.ndarray:
        """The estimator's probabilities through the maps."""
        return mapped(self.maps, proba)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Calibrated probabilities, n by k."""
        return mapped(self.maps, np.asarray(self.estimator.predict_proba(X), dtype=np.float64))

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The most probable class."""
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def export_onnx(self, schema: Schema) -> bytes:
        """The estimator's graph with the maps behind it."""
        # Exporting is heavy to import and needed once.
        from everloop.train.deciding import exported_calibrated  # noqa: PLC0415

        return exported_calibrated(self, schema)


def mapped(maps: list[Map], proba: np.ndarray) -> np.ndarray:
    """Probabilities through their maps, rows summing to 1."""
    if proba.shape[1] == 2:
        second = maps[0](proba[:, 1])
        return np.column_stack([1.0 - second, second])
    parts = np.column_stack([m(p) for m, p in zip(maps, proba.T, strict=True)]) + TINY
    return np.asarray(parts / parts.sum(axis=1, keepdims=True))


def calibrate(estimator: Any, proba: np.ndarray, y: np.ndarray, how: str, seed: int = 0) -> Any:
    """``estimator`` with maps learned from predictions on rows that it was not fitted on.

    Parameters
    ----------
    proba : such out-of-fold probabilities, m by k in the order of ``estimator.classes_``.
    y : what happened, m positions in ``classes_``.
    how : ``isotonic``, ``platt``, or ``auto``: whichever has the lowest log loss on halves that it
        was not learned from, and none when that is what neither lowers.
    """
    method = _best_method(proba, y, seed) if how == "auto" else how
    if method == "none":
        return estimator
    return Calibrated(estimator, learn_maps(method, proba, y), method)  # type: ignore[arg-type]


def learn_maps(method: str, proba: np.ndarray, y: np.ndarray) -> list[Map]:
    """One map for two classes, one a class for more."""
    columns = [1] if proba.shape[1] == 2 else range(proba.shape[1])
    return [Map(method, proba[:, k], (y == k).astype(np.float64)) for k in columns]  # type: ignore[arg-type]


def _best_method(proba: np.ndarray, y: np.ndarray, seed: int) -> str:
    half = np.random.default_rng(seed).permutation(len(y)) % 2 == 0
    losses = {"none": _loss(proba, y)}
    for method in ("platt", "isotonic") if len(y) >= FEW_ROWS else ("platt",):
        out = np.empty_like(proba)
        for part in (half, ~half):
            out[part] = mapped(learn_maps(method, proba[~part], y[~part]), proba[part])
        losses[method] = _loss(out, y)
    return min(losses, key=lambda name: losses[name])


def _loss(proba: np.ndarray, y: np.ndarray) -> float:
    own = proba[np.arange(len(y)), y.astype(np.int64)]
    return float(-np.log(np.clip(own, TINY, 1.0)).mean())


def _logit(scores: np.ndarray) -> np.ndarray:
    p = np.clip(scores, TINY, 1.0 - TINY)
    return np.asarray(np.log(p) - np.log(1.0 - p))


def _platt(scores: np.ndarray, hits: np.ndarray) -> tuple[float, float]:
    """Slope and intercept by maximum likelihood, targets smoothed as Platt does."""
    z, positive, total = _logit(scores), hits.sum(), len(hits)
    target = np.where(hits > 0, (positive + 1) / (positive + 2), 1 / (total - positive + 2))

    def loss(line: np.ndarray) -> tuple[float, np.ndarray]:
        t = line[0] * z + line[1]
        error = 1.0 / (1.0 + np.exp(-np.clip(t, -500, 500))) - target
        value = float((np.logaddexp(0.0, t) - target * t).mean())
        return value, np.array([(error * z).mean(), error.mean()])

    found = minimize(loss, np.array([1.0, 0.0]), jac=True, method="L-BFGS-B").x
    return max(float(found[0]), 1e-3), float(found[1])  # never turns the order of rows round


def _isotonic(scores: np.ndarray, hits: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip").fit(scores, hits)
    x = np.asarray(fitted.X_thresholds_, dtype=np.float64)
    p = np.asarray(fitted.y_thresholds_, dtype=np.float64)
    if len(x) > KNOTS:
        chosen = np.unique(np.linspace(0, len(x) - 1, KNOTS).round().astype(int))
        x, p = x[chosen], p[chosen]
    kept = [0]
    for i in range(1, len(x)):
        # Steeper, it would blow up what trees round in single precision.
        if x[i] - x[kept[-1]] >= max(1e-6, (p[i] - p[kept[-1]]) / STEEPEST):
            kept.append(i)
    if len(kept) < 2:
        return np.array([0.0, 1.0]), np.full(2, float(hits.mean()))
    return x[kept], p[kept]
