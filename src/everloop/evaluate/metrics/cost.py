"""What answers cost, in money."""

from __future__ import annotations

from typing import Self

import numpy as np

from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics


@metrics.register("cost")
class Cost(MomentMetric):
    """The mean over the rows of what each answer costs, by ``[evaluate.cost]``; a gain is below 0.

    ``Σᵢ C[yᵢ, answerᵢ] / n`` (Elkan, 2001). Until costs are given, a wrong answer costs 1.
    """

    greater_is_better = False
    bounds = (None, None)
    costs: np.ndarray | None = None

    def with_costs(self, costs: np.ndarray) -> Self:
        """The metric by a table of costs, true classes by answered ones."""
        other = type(self)(self.name)
        other.costs = costs
        return other

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        if self.costs is None:
            return column(y != pred)
        # A label that the comparison does not know (-1) costs as much as the worst answer.
        known = np.hstack([self.costs, self.costs.max(axis=1, keepdims=True)])
        return column(known[y, pred])
