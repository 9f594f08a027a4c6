"""F1 of each row's labels, averaged."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import column
from everloop.evaluate.metrics._labels import LabelMetric, label_f1
from everloop.extensions import metrics


@metrics.register("f1_samples")
class F1Samples(LabelMetric):
    """The mean over rows of ``2 |Y ∩ Ŷ| / (|Y| + |Ŷ|)``; a row without any label that is answered
    without any is right, and has 1 (``zero_division=1`` of scikit-learn, whose default is 0).
    """

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        counts = [(y * pred).sum(axis=1), pred.sum(axis=1), y.sum(axis=1)]
        right, said, true = (c.astype(np.float64) for c in counts)
        return column(np.where(said + true > 0, label_f1(right, said, true), 1.0))
