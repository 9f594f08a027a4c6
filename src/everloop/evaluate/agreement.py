"""Whether two models put rows in the same order, which can be known without labels."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec
import numpy as np

from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._estimate import TAILS
from everloop.evaluate.metrics.roc_auc import midranks


class Agreement(msgspec.Struct, frozen=True):
    """The rank correlation of two models' scores on n rows (Spearman, 1904), and its interval."""

    value: float
    low: float
    high: float
    n: int


def agreement(ours: np.ndarray, theirs: np.ndarray) -> Agreement | None:
    """Of scores on the same n rows; None when one of the models answers all rows alike.

    The interval is Fisher's with the error of Bonett and Wright (2000).
    """
    n = len(ours)
    if n < 4 or np.ptp(ours) == 0 or np.ptp(theirs) == 0:
        return None
    value = float(np.corrcoef(midranks(ours), midranks(theirs))[0, 1])
    value = min(max(value, -1.0), 1.0)
    if abs(value) > 1 - 1e-12:
        return Agreement(value, value, value, n)
    half = NormalDist().inv_cdf(TAILS[1]) * math.sqrt((1 + value**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(value) + side * half) for side in (-1, 1))
    return Agreement(value, low, high, n)


def scores_of(answers: Answers) -> np.ndarray:
    """How odd each row is said to be."""
    assert answers.proba is not None, "a model of anomalies has probabilities"
    return np.asarray(answers.proba[:, 1], dtype=np.float64)
