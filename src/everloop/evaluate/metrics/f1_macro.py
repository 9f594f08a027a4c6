"""F1 of each label, averaged."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._labels import LabelMetric, label_f1
from everloop.extensions import metrics


@metrics.register("f1_macro")
class F1Macro(LabelMetric):
    """The plain mean of the labels' own F1: a rare label counts as much as a frequent one."""

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        return np.hstack([y * pred, pred, y]).astype(np.float64)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        return np.asarray(label_f1(*np.split(means, 3, axis=-1)).mean(axis=-1))
