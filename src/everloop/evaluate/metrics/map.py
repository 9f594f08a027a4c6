"""Mean average precision of rankings."""

from __future__ import annotations

import numpy as np

from everloop.evaluate.metrics._ranking import RankingMetric
from everloop.extensions import metrics


@metrics.register("map")
class MeanAveragePrecision(RankingMetric):
    """The mean, over the relevant rows of a list, of the precision down to each of them."""

    def of_group(self, relevance: np.ndarray) -> float:
        places = np.flatnonzero(relevance > 0)
        return float((np.arange(1, len(places) + 1) / (places + 1)).mean())
