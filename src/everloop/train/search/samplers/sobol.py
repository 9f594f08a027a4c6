"""A quasi-random sequence that fills the space evenly."""

from __future__ import annotations

from typing import Any

from optuna import Study
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial
from scipy.stats.qmc import Sobol

from everloop.extensions import samplers
from everloop.train.search.samplers._base import FixedSpaceSampler, Space, from_unit, proposed


class SobolSampler(FixedSpaceSampler):
    """The next point of a scrambled Sobol sequence; scrambled once for all trials."""

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Any:
        if not search_space:
            return {}
        sequence = Sobol(len(search_space), scramble=True, rng=0)
        index = len(proposed(study))
        if index:
            sequence.fast_forward(index)
        point = sequence.random(1)[0]
        pairs = zip(search_space.items(), point, strict=True)
        return {name: from_unit(distribution, u) for (name, distribution), u in pairs}


@samplers.register("sobol")
def sobol(seed: int, space: Space) -> BaseSampler:
    """Sobol's low-discrepancy sequence (Sobol, 1967), scrambled as by Owen (1998)."""
    return SobolSampler(seed, space)
