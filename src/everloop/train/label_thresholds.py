"""Where each label's probability becomes a decision: chosen on validation rows, as for classes."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.train.threshold import ScoreOf, between_scores


class ThresholdedLabels(BaseEstimator):  # type: ignore[misc]
    """A fitted model of several labels that answers each one from its own threshold on.

    Attributes
    ----------
    thresholds : of the labels' probabilities, k.
    """

    def __init__(self, estimator: Any, thresholds: np.ndarray) -> None:
        self.estimator, self.thresholds = estimator, thresholds

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The estimator's own probabilities, n by k."""
        return np.asarray(self.estimator.predict_proba(X), dtype=np.float64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """n by k of 0 and 1."""
        return np.asarray(self.predict_proba(X) >= self.thresholds).astype(np.int64)

    def export_onnx(self, schema: Schema) -> bytes:
        """The estimator's graph with another rule for the labels."""
        # Exporting is heavy to import and needed once.
        from everloop.train.deciding import exported_thresholds  # noqa: PLC0415

        return exported_thresholds(self, schema)


def choose_thresholds(proba: np.ndarray, y: np.ndarray, score: ScoreOf) -> np.ndarray:
    """A threshold for each label in turn, the others as they are: the greatest ``score`` found.

    One pass of coordinate ascent from 0.5, as Fan and Lin (2007) do for macro F1; 0.5 stays where
    no other is better.

    Parameters
    ----------
    proba : out-of-fold probabilities, m by k. y : m by k of 0 and 1.
    """
    cuts = np.full(proba.shape[1], 0.5)
    pred = (proba >= cuts).astype(np.int64)
    best = score(y, pred, proba)
    for label in range(proba.shape[1]):
        for cut in between_scores(proba[:, label]):
            tried = pred.copy()
            tried[:, label] = proba[:, label] >= cut
            value = score(y, tried, proba)
            if value > best + 1e-12:
                best, cuts[label] = value, cut
        pred[:, label] = proba[:, label] >= cuts[label]
    return cuts
