"""What a sampler is: it proposes the parameters of the next trial of one candidate.

A sampler is one of Optuna's, made anew for each trial by a function ``(seed, space)`` that is
registered under its plain name::

    @samplers.register("mine")
    def mine(seed: int, space: Space) -> BaseSampler: ...

Obligations. All that it knows it reads from the trials of the study it is given, which are those
of one candidate alone: nothing is kept between trials, so a study that is taken up again proposes
what it would have proposed. ``seed`` differs for each trial. ``space`` are the candidate's
parameters as they were found before the study began; a candidate may ask for others as it goes,
and ``sample_independent`` answers those. A sampler that has nothing left to propose raises
:class:`Exhausted`.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.samplers import BaseSampler, RandomSampler
from optuna.trial import FrozenTrial, TrialState

Space = dict[str, BaseDistribution]


class Exhausted(Exception):
    """Every point of the space was tried."""


class FixedSpaceSampler(BaseSampler):
    """A sampler over the whole space that was found before; others are drawn at random."""

    def __init__(self, seed: int, space: Space) -> None:
        self.seed, self.space = seed, space
        self._random = RandomSampler(seed=seed)

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> Space:
        return self.space

    def sample_independent(
        self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: Any
    ) -> Any:
        return self._random.sample_independent(study, trial, param_name, param_distribution)


def proposed(study: Study) -> list[FrozenTrial]:
    """The trials that a sampler chose, in order; the one being made is not among them."""
    return [t for t in study.get_trials(deepcopy=False) if t.params]


def scored(study: Study) -> list[FrozenTrial]:
    """Those of them that ended with a score, greater is better."""
    return [t for t in proposed(study) if t.state == TrialState.COMPLETE and t.value is not None]


def from_unit(distribution: BaseDistribution, u: float) -> Any:
    """The value of a parameter at ``u`` in [0, 1], even over its range or its logarithm."""
    u = min(max(u, 0.0), 1.0)
    if isinstance(distribution, CategoricalDistribution):
        n = len(distribution.choices)
        return distribution.choices[min(int(u * n), n - 1)]
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    whole = isinstance(distribution, IntDistribution)
    if distribution.log:
        value = float(np.exp(np.log(low) + u * (np.log(high) - np.log(low))))
    else:
        value = low + u * (high - low)
    if distribution.step is not None and not distribution.log:
        value = low + round((value - low) / distribution.step) * distribution.step
    value = min(max(value, low), high)
    return round(value) if whole else value


def to_unit(distribution: BaseDistribution, value: Any) -> float:
    """The inverse of :func:`from_unit`."""
    if isinstance(distribution, CategoricalDistribution):
        return (distribution.choices.index(value) + 0.5) / len(distribution.choices)
    assert isinstance(distribution, FloatDistribution | IntDistribution)
    low, high = float(distribution.low), float(distribution.high)
    if low == high:
        return 0.5
    if distribution.log:
        return float((np.log(value) - np.log(low)) / (np.log(high) - np.log(low)))
    return (float(value) - low) / (high - low)
