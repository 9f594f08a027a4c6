"""F1."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._confusion import ConfusionMetric, ratio
from everloop.extensions import metrics


@metrics.register("f1")
class F1(ConfusionMetric):
    """``2 TP / (2 TP + FP + FN)``, the harmonic mean of precision and recall."""

    def of_class(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        return ratio(2 * right, predicted + actual)
