"""Hamming loss."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import column
from everloop.evaluate.metrics._labels import LabelMetric
from everloop.extensions import metrics


@metrics.register("hamming_loss")
class HammingLoss(LabelMetric):
    """The share of all labels of all rows that are answered wrong."""

    greater_is_better = False

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column((y != pred).mean(axis=1))
