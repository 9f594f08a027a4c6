"""Average precision."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import BINARY, Metric, one_class
from everloop.extensions import metrics


@metrics.register("average_precision")
class AveragePrecision(Metric):
    """Area under the curve of precision over recall: ``Σ (Rᵢ - Rᵢ₋₁) Pᵢ`` over the thresholds."""

    tasks = BINARY
    needs_probabilities = True

    def undefined(self, y: np.ndarray) -> str | None:
        return one_class(y)

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        assert proba is not None
        if self.undefined(y):
            return float("nan")
        order = np.argsort(-proba[:, 1], kind="stable")
        scores, found = proba[order, 1], np.cumsum(y[order] == 1)
        last = np.append(np.flatnonzero(np.diff(scores)), len(y) - 1)  # of each run of ties
        precision, recall = found[last] / (last + 1), found[last] / found[-1]
        return float(np.sum(np.diff(recall, prepend=0.0) * precision))
