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


def cheapest_threshold(
    proba: np.ndarray, y: np.ndarray, costs: np.ndarray
) -> tuple[float, float, float]:
    """The threshold whose answers to out-of-fold rows cost least, its cost a row, and that at 0.5.

    Every threshold that tells two rows apart is looked at. Of those that cost the same, the one in
    the middle of their range.

    Parameters
    ----------
    proba : m by 2. y : m codes. costs : 2 by 2, true classes by answered ones.
    """
    order = np.argsort(proba[:, 1], kind="stable")
    ordered, truth = proba[order, 1], y[order].astype(np.int64)
    # Answering the first k rows with the first class and the others with the second, for each k.
    turned = np.cumsum(costs[truth, 0] - costs[truth, 1])
    total = costs[truth, 1].sum() + np.concatenate([[0.0], turned])
    edges = np.concatenate([[0.0], ordered, [1.0]])
    possible = np.diff(edges) > 0
    # No row below, or none above, is an answer that reads nothing of the row: still a threshold.
    middle = (edges[1:] + edges[:-1]) / 2
    total, middle = total[possible] / len(y), middle[possible]
    least = np.flatnonzero(total <= total.min() + 1e-12)
    cut = float(middle[least[len(least) // 2]])
    at_half = float(costs[truth, (ordered >= 0.5).astype(np.int64)].mean())
    return cut, float(total.min()), at_half


def choose_threshold(proba: np.ndarray, y: np.ndarray, score: ScoreOf) -> float:
    """The threshold with the greatest ``score`` on out-of-fold predictions.

    Of thresholds that are equally good, the one in the middle of their range; 0.5 when no other
    is better.

    Parameters
    ----------
    proba : m by 2. y : m codes. score : of ``(y, pred, proba)``, greater is better.
    """
    cuts = np.append(between_scores(proba[:, 1]), 0.5)
    values = np.array([score(y, (proba[:, 1] >= cut).astype(np.int64), proba) for cut in cuts])
    values[np.isnan(values)] = -np.inf
    if values[-1] >= values.max():
        return 0.5
    best = np.sort(cuts[values >= values.max() - 1e-12])
    return float(best[len(best) // 2])


def between_scores(scores: np.ndarray) -> np.ndarray:
    """Some thresholds between two scores that occurred, so that rounding moves no row across."""
    ordered = np.unique(scores)
    between = (ordered[1:] + ordered[:-1]) / 2
    place = np.linspace(0, len(between) - 1, min(CUTS, len(between))).round().astype(int)
    return np.asarray(between[place])
