"""Recall."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._confusion import ConfusionMetric, ratio
from everloop.extensions import metrics


@metrics.register("recall")
class Recall(ConfusionMetric):
    """Of the rows of a class, the share that was answered with it; 0 when there is none."""

    def of_class(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return ratio(right, actual)
