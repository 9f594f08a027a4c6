"""Mean absolute error."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import REGRESSION, MomentMetric, column
from everloop.extensions import metrics


@metrics.register("mae")
class MeanAbsoluteError(MomentMetric):
    """``mean |y - prediction|``, in the unit of the target."""

    tasks = REGRESSION
    greater_is_better = False
    bounds = (0.0, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column(np.abs(y - pred))
