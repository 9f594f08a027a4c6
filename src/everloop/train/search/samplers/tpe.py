"""Tree-structured Parzen estimator, each parameter on its own."""

from __future__ import annotations

from optuna.samplers import BaseSampler, TPESampler

from everloop.extensions import samplers
from everloop.train.search.samplers._base import Space


@samplers.register("tpe")
def tpe(seed: int, space: Space) -> BaseSampler:
    """Draws where good trials are dense and bad ones rare (Bergstra et al., "Algorithms for
    Hyper-Parameter Optimization", 2011)."""
    return TPESampler(seed=seed, constant_liar=True)
