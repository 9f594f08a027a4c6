"""Pinball loss."""

from __future__ import annotations

import numpy as np

from everloop.data.quantiles import values_and_levels
from everloop.evaluate.metrics._base import QUANTILE, MomentMetric, column
from everloop.extensions import metrics


@metrics.register("pinball")
class Pinball(MomentMetric):
    """``ρ_τ(u) = u (τ - [u < 0])`` of ``u = y - q_τ``, averaged over the quantiles.

    Koenker and Bassett (1978); it is smallest in the mean at the true quantiles.
    """

    tasks = QUANTILE
    greater_is_better = False
    needs_probabilities = True
    bounds = (0.0, None)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        values, levels = values_and_levels(proba)
        left = y[:, None] - values
        return column((left * (levels - (left < 0))).mean(axis=1))
