"""Precision."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._confusion import ConfusionMetric, ratio
from everloop.extensions import metrics


@metrics.register("precision")
class Precision(ConfusionMetric):
    """Of the rows answered with a class, the share that is of it; 0 when none was answered."""

    def of_class(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return ratio(right, predicted)
