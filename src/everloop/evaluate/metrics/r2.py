"""Coefficient of determination."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import REGRESSION, MomentMetric
from everloop.extensions import metrics


@metrics.register("r2")
class R2(MomentMetric):
    """``1 - Σ(y - prediction)² / Σ(y - mean y)²``: 1 is perfect, 0 is no better than the mean."""

    tasks = REGRESSION
    bounds = (None, 1.0)

    def undefined(self, y: np.ndarray) -> str | None:
        if len(y) < 2:
            return "there are fewer than 2 rows"
        return "the target is constant" if np.all(y == y[0]) else None

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        centred = y - y.mean()
        return np.column_stack([(y - pred) ** 2, centred, centred**2])

    def of_means(self, means: np.ndarray) -> np.ndarray:
        spread = means[..., 2] - means[..., 1] ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.asarray(1.0 - means[..., 0] / spread)
