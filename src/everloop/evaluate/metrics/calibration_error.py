"""Expected calibration error."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._base import MomentMetric
from everloop.extensions import metrics

BINS = 10


@metrics.register("calibration_error")
class CalibrationError(MomentMetric):
    """How far probabilities are from what happens: ``Σᵦ |Σᵢ∈ᵦ (pᵢ - yᵢ)| / n`` over 10 bins of p.

    With two classes p is the positive one's; with more, that of the answered class, and y whether
    the answer was right (Naeini et al., 2015; Guo et al., 2017). Chance alone makes it a little
    larger than 0 on few rows, and resampling adds as much again; so the interval is the reflected
    one (the basic bootstrap of Davison and Hinkley, 1997, section 5.2).
    """

    greater_is_better = False
    needs_probabilities = True

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        assert proba is not None
        binary = proba.shape[1] == 2
        p = proba[:, 1] if binary else proba.max(axis=1)
        happened = y == 1 if binary else y == proba.argmax(axis=1)
        bins = np.clip((p * BINS).astype(np.int64), 0, BINS - 1)
        return np.asarray((bins[:, None] == np.arange(BINS)) * (p - happened)[:, None])

    def of_means(self, means: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(means).sum(axis=-1))

    def draws(
        self, y: np.ndarray, answers: Sequence[Answers], rng: np.random.Generator
    ) -> np.ndarray:
        values = np.array([self.function(y, a.pred, a.proba) for a in answers])
        return np.asarray(np.maximum(2 * values - super().draws(y, answers, rng), 0.0))
