"""Every point of a grid, once."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution
from optuna.samplers import BaseSampler
from optuna.trial import FrozenTrial

from everloop.extensions import samplers
from everloop.train.search.samplers._base import (
    Exhausted,
    FixedSpaceSampler,
    Space,
    from_unit,
    proposed,
)

POINTS = 4  # of a range; a list of choices is taken as it is


class GridSampler(FixedSpaceSampler):
    """The combinations in a seeded order; raises Exhausted after the last."""

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Any:
        if not search_space:
            raise Exhausted
        values = [_values(d) for d in search_space.values()]
        points = list(product(*values))
        index = len(proposed(study))
        if index >= len(points):
            raise Exhausted
        order = np.random.default_rng(0).permutation(len(points))
        return dict(zip(search_space, points[order[index]], strict=True))


@samplers.register("grid")
def grid(seed: int, space: Space) -> BaseSampler:
    """A grid of four values for each range and of all choices, each combination once."""
    return GridSampler(seed, space)


def _values(distribution: BaseDistribution) -> list[Any]:
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return list(dict.fromkeys(from_unit(distribution, u) for u in np.linspace(0, 1, POINTS)))
