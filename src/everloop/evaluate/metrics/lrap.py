"""Label ranking average precision."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import column
from everloop.evaluate.metrics._labels import LabelMetric
from everloop.extensions import metrics


@metrics.register("lrap")
class LabelRankingAveragePrecision(LabelMetric):
    """Of a true label, the share of true ones among those ranked as high or higher: the mean over
    the labels of a row, then over rows (Schapire and Singer, 2000). A row without a label, or with
    all of them, has 1.
    """

    needs_probabilities = True

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        values = np.ones(len(y))
        for k in range(y.shape[1]):
            above = proba >= proba[:, [k]]
            share = (above & (y > 0)).sum(axis=1) / above.sum(axis=1)
            values += np.where(y[:, k] > 0, share - 1.0, 0.0) / np.maximum(y.sum(axis=1), 1)
        return column(values)
