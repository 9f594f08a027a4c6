"""Balanced accuracy."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import one_class
from everloop.evaluate.metrics._confusion import ConfusionMetric, ratio
from everloop.extensions import metrics


@metrics.register("balanced_accuracy")
class BalancedAccuracy(ConfusionMetric):
    """The mean, over the classes that occur, of the share of their rows that was found."""

    every_class = True

    def undefined(self, y: np.ndarray) -> str | None:
        return one_class(y)

    def counted(self, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return actual > 0

    def of_class(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return ratio(right, actual)
