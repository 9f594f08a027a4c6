"""Logarithmic loss."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics

SMALLEST = 1e-15  # a probability of 0 for what happened would cost infinitely much


@metrics.register("log_loss")
class LogLoss(MomentMetric):
    """``-mean log p(true class)``; Good (1952)."""

    greater_is_better = False
    needs_probabilities = True
    bounds = (0.0, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        return column(-np.log(np.clip(proba[np.arange(len(y)), y], SMALLEST, 1.0)))
