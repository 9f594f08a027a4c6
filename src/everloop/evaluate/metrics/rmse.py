"""Root mean squared error."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import REGRESSION, MomentMetric, column
from everloop.extensions import metrics


@metrics.register("rmse")
class RootMeanSquaredError(MomentMetric):
    """``sqrt(mean (y - prediction)²)``, in the unit of the target."""

    tasks = REGRESSION
    greater_is_better = False
    bounds = (0.0, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column((y - pred) ** 2)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        return np.asarray(np.sqrt(means[..., 0]))
