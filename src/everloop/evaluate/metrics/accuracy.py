"""Accuracy."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics


@metrics.register("accuracy")
class Accuracy(MomentMetric):
    """The share of rows whose class was answered."""

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column(y == pred)
