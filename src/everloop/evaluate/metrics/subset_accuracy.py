"""Subset accuracy."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import column
from everloop.evaluate.metrics._labels import LabelMetric
from everloop.extensions import metrics


@metrics.register("subset_accuracy")
class SubsetAccuracy(LabelMetric):
    """The share of rows of which every label is answered right."""

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column((y == pred).all(axis=1))
