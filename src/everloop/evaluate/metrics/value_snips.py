"""A policy's value by propensity scores that are normalised by themselves."""

from __future__ import annotations

import numpy as np

from everloop.data.rewards import REWARD
from everloop.evaluate.metrics._off_policy import OffPolicyMetric
from everloop.extensions import metrics


@metrics.register("value_snips")
class ValueSNIPS(OffPolicyMetric):
    """``Σᵢ wᵢ rᵢ / Σᵢ wᵢ`` (Swaminathan and Joachims, 2015): a little biased, and less uncertain.

    It stays between the smallest and the largest reward.
    """

    def earned(self, rewards: np.ndarray) -> np.ndarray:
        return np.column_stack([rewards, np.ones(len(rewards))])

    def weighted(self, y: np.ndarray, proba: np.ndarray, w: np.ndarray) -> np.ndarray:
        return np.column_stack([w * y[:, REWARD], w])

    def of_means(self, means: np.ndarray) -> np.ndarray:
        found = np.full(means.shape[:-1], np.nan)
        np.divide(means[..., 0], means[..., 1], out=found, where=means[..., 1] > 0)
        return found
