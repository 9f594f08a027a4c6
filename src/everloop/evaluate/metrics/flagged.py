"""The share of rows that are called odd."""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics


@metrics.register("flagged")
class Flagged(MomentMetric):
    """The share of rows answered with the second class; known without any label.

    It says how much work the alarms make, not whether they are right.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"anomaly"})
    greater_is_better = False
    needs_labels = False

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return column(pred == 1)
