"""Coverage of an interval."""

from __future__ import annotations

import numpy as np

from everloop.data.quantiles import values_and_levels
from everloop.evaluate.metrics._base import QUANTILE, MomentMetric, column
from everloop.extensions import metrics


@metrics.register("coverage")
class Coverage(MomentMetric):
    """The share of rows between their lowest and their highest quantile.

    With quantiles 0.1 and 0.9 at the ends it should be 0.8.
    """

    tasks = QUANTILE
    needs_probabilities = True

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        values, _ = values_and_levels(proba)
        return column((y >= values[:, 0]) & (y <= values[:, -1]))
