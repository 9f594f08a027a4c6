"""Population-based training: the weak copy the strong and change a little."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from everloop.extensions import samplers
from everloop.train.search.samplers._base import (
    FixedSpaceSampler,
    Space,
    from_unit,
    scored,
    to_unit,
)

MEMBERS = 8
QUANTILE = 0.25
RESAMPLE = 0.25
FACTORS = (0.8, 1.25)


class PopulationSampler(FixedSpaceSampler):
    """The first members are drawn at random; each later trial is one member's next generation.

    A member among the worst quarter takes the parameters of one of the best quarter (exploit), and
    every parameter is changed by a factor or, now and then, drawn anew (explore).
    """

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Any:
        done = scored(study)
        if len(done) < MEMBERS:
            return {}
        rng = np.random.default_rng(self.seed)
        members = done[-MEMBERS:]
        ranked = sorted(members, key=lambda t: float(t.value or 0.0), reverse=True)
        few = max(1, round(MEMBERS * QUANTILE))
        member = members[int(rng.integers(MEMBERS))]
        if member in ranked[-few:]:
            member = ranked[int(rng.integers(few))]
        return {
            name: _changed(distribution, member.params.get(name), rng)
            for name, distribution in search_space.items()
        }


@samplers.register("population")
def population(seed: int, space: Space) -> BaseSampler:
    """Population-based training (Jaderberg et al., 2017), over parameters: each generation is
    fitted from its beginning, as models without warm starts must be."""
    return PopulationSampler(seed, space)


def _changed(distribution: Any, value: Any, rng: np.random.Generator) -> Any:
    if value is None or rng.random() < RESAMPLE:
        return from_unit(distribution, float(rng.random()))
    if isinstance(distribution, CategoricalDistribution):
        return value
    at = to_unit(distribution, value)
    if at == 0.0:
        return from_unit(distribution, 0.1 * float(rng.random()))
    return from_unit(distribution, at * float(rng.choice(FACTORS)))
