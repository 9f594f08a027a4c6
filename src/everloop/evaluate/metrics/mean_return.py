"""What a policy earns."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics


@metrics.register("mean_return")
class MeanReturn(MomentMetric):
    """``Σᵢ Gᵢ / n``, the mean over n episodes of the sum of their rewards.

    Rows are episodes here: ``pred`` holds the return of each, and ``y`` is not read. Two policies
    play the same seeds, so their episodes compare in pairs.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"policy"})
    bounds = (None, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column(pred)
