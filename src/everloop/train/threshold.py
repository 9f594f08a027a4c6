"""Where probability becomes a decision: chosen on validation rows, and a part of the model."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema

CUTS = 199  # thresholds that are tried

ScoreOf = Callable[[np.ndarray, np.ndarray, np.ndarray | None], float]


class Thresholded(BaseEstimator):  # type: ignore[misc]
    """A fitted classifier of two classes that answers the second one from ``threshold`` on.

    Attributes
    ----------
    threshold : of the probability of the second class.
    """

    def __init__(self, estimator: Any, threshold: float) -> None:
        self.estimator, self.threshold = estimator, threshold

    @property
    def classes_(self) -> np.ndarray:
        return np.asarray(self.estimator.classes_)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The estimator's own probabilities."""
        return np.asarray(self.estimator.predict_proba(X), dtype=np.float64)

    def decide(self, proba: np.ndarray) -> np.ndarray:
        """Positions in ``classes_`` for probabilities n by 2."""
        return (proba[:, 1] >= self.threshold).astype(np.int64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The class that the threshold decides for."""
        return np.asarray(self.classes_[self.decide(self.predict_proba(X))])

    def export_onnx(self, schema: Schema) -> bytes:
        """The estimator's graph with another rule for the label."""
        # Exporting is heavy to import and needed once.
        from everloop.train.deciding import exported_thresholded  # noqa: PLC0415

        return exported_thresholded(self, schema)


def choose_threshold(proba: np.ndarray, y: np.ndarray, score: ScoreOf) -> float:
    """The threshold with the greatest ``score`` on out-of-fold predictions.

    Of thresholds that are equally good, the one in the middle of their range; 0.5 when no other
    is better.

    Parameters
    ----------
    proba : m by 2. y : m codes. score : of ``(y, pred, proba)``, greater is better.
    """
    # Between two scores that occurred, so that rounding moves no row across.
    ordered = np.unique(proba[:, 1])
    between = (ordered[1:] + ordered[:-1]) / 2
    place = np.linspace(0, len(between) - 1, min(CUTS, len(between))).round().astype(int)
    cuts = np.append(between[place], 0.5)
    values = np.array([score(y, (proba[:, 1] >= cut).astype(np.int64), proba) for cut in cuts])
    values[np.isnan(values)] = -np.inf
    if values[-1] >= values.max():
        return 0.5
    best = np.sort(cuts[values >= values.max() - 1e-12])
    return float(best[len(best) // 2])
