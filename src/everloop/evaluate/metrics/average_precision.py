"""Average precision."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import BINARY, Metric, one_class
from everloop.evaluate.metrics._labels import MULTILABEL, no_label_varies, varying
from everloop.extensions import metrics


@metrics.register("average_precision")
class AveragePrecision(Metric):
    """Area under the curve of precision over recall: ``Σ (Rᵢ - Rᵢ₋₁) Pᵢ`` over the thresholds.

    Of several labels a row the mean of those of the labels that vary.
    """

    tasks = BINARY | MULTILABEL
    needs_probabilities = True

    def undefined(self, y: np.ndarray) -> str | None:
        return no_label_varies(y) if y.ndim == 2 else one_class(y)

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        assert proba is not None
        if self.undefined(y):
            return float("nan")
        if y.ndim == 2:
            return float(np.mean([_area(y[:, k] == 1, proba[:, k]) for k in varying(y)]))
        return _area(y == 1, proba[:, 1])


def _area(positive: np.ndarray, score: np.ndarray) -> float:
    order = np.argsort(-score, kind="stable")
    scores, found = score[order], np.cumsum(positive[order])
    last = np.append(np.flatnonzero(np.diff(scores)), len(score) - 1)  # of each run of ties
    precision, recall = found[last] / (last + 1), found[last] / found[-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * precision))
