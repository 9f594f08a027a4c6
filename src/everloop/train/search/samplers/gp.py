"""A Gaussian process over the space."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, GPSampler

from everloop.errors import MissingExtra
from everloop.extensions import samplers
from everloop.train.loading import has_module
from everloop.train.search.samplers._base import Space


@samplers.register("gp")
def gp(seed: int, space: Space) -> BaseSampler:
    """Expected improvement under a Gaussian process (Mockus, 1975; Jones et al., 1998). Few, dear
    trials are what it is good for."""
    if not has_module("torch"):
        raise MissingExtra("the sampler gp", "torch")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return GPSampler(seed=seed, deterministic_objective=False)
