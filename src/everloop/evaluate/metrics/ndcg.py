"""Normalised discounted cumulative gain."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._ranking import TOP, RankingMetric
from everloop.extensions import metrics


@metrics.register("ndcg")
class NormalisedGain(RankingMetric):
    """``Σ (2^rᵢ - 1) / log₂(i + 1)`` over the first ten, as a share of the best possible.

    Järvelin and Kekäläinen (2002), with the gains of Burges et al. (2005).
    """

    def of_group(self, relevance: np.ndarray) -> float:
        best = np.sort(relevance)[::-1]
        return float(_gain(relevance) / _gain(best))


def _gain(relevance: np.ndarray) -> float:
    first = relevance[:TOP]
    return float(((2.0**first - 1.0) / np.log2(np.arange(2, len(first) + 2))).sum())
