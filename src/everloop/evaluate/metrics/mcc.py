"""Matthews' correlation coefficient."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import one_class
from everloop.evaluate.metrics._confusion import ConfusionMetric
from everloop.extensions import metrics


@metrics.register("mcc")
class Mcc(ConfusionMetric):
    """The correlation of what was true and what was answered (Matthews, 1975).

    ``(c - Σ pₖtₖ) / √((1 - Σ pₖ²)(1 - Σ tₖ²))`` with c the share of right answers, pₖ and tₖ the
    shares answered with and being of class k (Gorodkin, 2004); 0 when all answers are the same.
    """

    every_class = True
    bounds = (-1.0, 1.0)

    def undefined(self, y: np.ndarray) -> str | None:
        return one_class(y)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        right, predicted, actual = np.split(means, 3, axis=-1)
        covariance = right.sum(axis=-1) - (predicted * actual).sum(axis=-1)
        spread = (1 - (predicted**2).sum(axis=-1)) * (1 - (actual**2).sum(axis=-1))
        root = np.sqrt(np.maximum(spread, 0.0))
        return np.asarray(
            np.divide(covariance, root, out=np.zeros_like(covariance), where=root > 1e-12)
        )
