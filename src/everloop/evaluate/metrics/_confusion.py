"""Metrics that are made from counts of right and wrong answers in each class."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import MomentMetric


class ConfusionMetric(MomentMetric):
    """A metric of true positives, predicted and actual rows of a class.

    With two classes it speaks of the positive one (code 1); with more it is the plain average
    over the classes that occur.
    """

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        k = proba.shape[1] if proba is not None else int(max(y.max(), pred.max())) + 1
        codes = np.arange(max(k, 2)) if self.every_class or k > 2 else np.array([1])
        actual, predicted = y[:, None] == codes, pred[:, None] == codes
        return np.hstack([actual & predicted, predicted, actual]).astype(np.float64)

    every_class = False

    def of_means(self, means: np.ndarray) -> np.ndarray:
        right, predicted, actual = np.split(means, 3, axis=-1)
        values = self.of_class(right, predicted, actual)
        occurs = self.counted(predicted, actual)
        total = np.where(occurs, values, 0.0).sum(axis=-1)
        return np.asarray(total / np.maximum(occurs.sum(axis=-1), 1))

    def counted(self, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """Which classes enter the average."""
        return (predicted > 0) | (actual > 0)

    def of_class(self, right: np.ndarray, predicted: np.ndarray, actual: np.ndarray) -> np.ndarray:
        """The metric of each class, from shares of the rows."""
        raise NotImplementedError


def ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """``part / whole``, 0 where there is nothing to divide by."""
    return np.asarray(np.divide(part, whole, out=np.zeros_like(part), where=whole > 0))
