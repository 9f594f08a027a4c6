"""Tree-structured Parzen estimator over all parameters together."""

from __future__ import annotations

import warnings

from optuna.exceptions import ExperimentalWarning
from optuna.samplers import BaseSampler, TPESampler

from everloop.extensions import samplers
from everloop.train.search.samplers._base import Space


@samplers.register("multivariate_tpe")
def multivariate_tpe(seed: int, space: Space) -> BaseSampler:
    """Like ``tpe`` with joint densities, which see how parameters go together (Falkner et al.,
    "BOHB", 2018)."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ExperimentalWarning)
        return TPESampler(seed=seed, multivariate=True, group=True, constant_liar=True)
