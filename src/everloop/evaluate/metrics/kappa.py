"""Cohen's kappa."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._base import one_class
from everloop.evaluate.metrics._confusion import ConfusionMetric, ratio
from everloop.extensions import metrics


@metrics.register("kappa")
class Kappa(ConfusionMetric):
    """Agreement beyond chance (Cohen, 1960): ``(c - e) / (1 - e)``.

    c is the share of right answers and ``e = Σ pₖtₖ`` what it would be if answers and classes had
    nothing to do with each other.
    """

    every_class = True
    bounds = (-1.0, 1.0)

    def undefined(self, y: np.ndarray) -> str | None:
        return one_class(y)

    def of_means(self, means: np.ndarray) -> np.ndarray:
        right, predicted, actual = np.split(means, 3, axis=-1)
        chance = (predicted * actual).sum(axis=-1)
        return ratio(right.sum(axis=-1) - chance, 1 - chance)
