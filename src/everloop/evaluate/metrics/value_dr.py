"""A policy's value by a model of the reward, corrected by what was earned."""

from __future__ import annotations

import numpy as np

from everloop.data.rewards import ACTION, COLUMNS, REWARD
from everloop.evaluate.metrics._off_policy import OffPolicyMetric
from everloop.extensions import metrics


@metrics.register("value_dr")
class ValueDR(OffPolicyMetric):
    """``Σᵢ [ Σₐ π(a|xᵢ) q(xᵢ, a) + wᵢ (rᵢ - q(xᵢ, aᵢ)) ] / n`` (Dudík, Langford and Li, 2011).

    Right when either the propensities or the model ``q`` are; the better ``q``, the less uncertain.
    Without a model ``q`` is the mean reward.
    """

    def weighted(self, y: np.ndarray, proba: np.ndarray, w: np.ndarray) -> np.ndarray:
        reward, done = y[:, REWARD], y[:, ACTION].astype(np.int64)
        expected = y[:, COLUMNS:]
        if not expected.shape[1]:
            expected = np.full(proba.shape, reward.mean())
        own = expected[np.arange(len(y)), done]
        return np.asarray(((proba * expected).sum(axis=1) + w * (reward - own))[:, None])
