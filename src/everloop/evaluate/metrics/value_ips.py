"""A policy's value by inverse propensity scores."""

from __future__ import annotations

import numpy as np

from everloop.data.rewards import REWARD
from everloop.evaluate.metrics._off_policy import OffPolicyMetric
from everloop.extensions import metrics


@metrics.register("value_ips")
class ValueIPS(OffPolicyMetric):
    """``Σᵢ wᵢ rᵢ / n`` (Horvitz and Thompson, 1952): unbiased but for clipping, and uncertain."""

    def weighted(self, y: np.ndarray, proba: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.asarray((w * y[:, REWARD])[:, None])
