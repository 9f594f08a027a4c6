"""Brier score."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import MomentMetric, column
from everloop.extensions import metrics


@metrics.register("brier")
class Brier(MomentMetric):
    """Mean squared error of probabilities (Brier, 1950).

    Of the positive class's with two classes, from 0 to 1; summed over the classes with more, from
    0 to 2.
    """

    greater_is_better = False
    needs_probabilities = True
    bounds = (0.0, 2.0)

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        truth = y[:, None] == np.arange(proba.shape[1])
        squares = column(((proba - truth) ** 2).sum(axis=1))
        return squares / 2 if proba.shape[1] == 2 else squares
