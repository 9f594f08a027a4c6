"""Independent draws: the plainest search, and hard to beat in few trials."""

from __future__ import annotations

from optuna.samplers import BaseSampler, RandomSampler

from everloop.extensions import samplers
from everloop.train.search.samplers._base import Space


@samplers.register("random")
def random(seed: int, space: Space) -> BaseSampler:
    """Random search (Bergstra and Bengio, "Random Search for Hyper-Parameter Optimization",
    2012)."""
    return RandomSampler(seed=seed)
