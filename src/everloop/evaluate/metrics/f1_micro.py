"""F1 over all labels of all rows."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import column
from everloop.evaluate.metrics._labels import LabelMetric, label_f1
from everloop.extensions import metrics


@metrics.register("f1_micro")
class F1Micro(LabelMetric):
    """``2 TP / (2 TP + FP + FN)``, counts taken over every label of every row."""

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        counts = [(y * pred).sum(axis=1), pred.sum(axis=1), y.sum(axis=1)]
        return np.hstack([column(c) for c in counts])

    def of_means(self, means: np.ndarray) -> np.ndarray:
        return label_f1(means[..., 0], means[..., 1], means[..., 2])
