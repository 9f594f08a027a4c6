"""Mean absolute percentage error."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import REGRESSION, MomentMetric, column
from everloop.extensions import metrics


@metrics.register("mape")
class MeanAbsolutePercentageError(MomentMetric):
    """``mean |y - prediction| / |y|``, a share: 0.1 is ten percent.

    It has no value when a target is 0, rather than an enormous one.
    """

    tasks = REGRESSION
    greater_is_better = False
    bounds = (0.0, None)

    def undefined(self, y: np.ndarray) -> str | None:
        zeros = int(np.sum(y == 0))
        return f"{zeros} targets are 0" if zeros else super().undefined(y)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column(np.abs((y - pred) / y))
