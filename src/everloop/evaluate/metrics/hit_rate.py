"""Hit rate of rankings."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._ranking import TOP, RankingMetric
from everloop.extensions import metrics


@metrics.register("hit_rate")
class HitRate(RankingMetric):
    """The share of lists with something relevant among the first ten."""

    def of_group(self, relevance: np.ndarray) -> float:
        return float(np.any(relevance[:TOP] > 0))
