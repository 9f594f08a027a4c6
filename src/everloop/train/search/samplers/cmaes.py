"""Covariance matrix adaptation: a cloud of points that learns its own shape."""

from __future__ import annotations

from typing import Any

import numpy as np
from optuna import Study
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

STEP = 0.3  # the first cloud's width, as a share of each range


class CmaEsSampler(FixedSpaceSampler):
    """Draws from the distribution that the generations so far have led to.

    The distribution is worked out anew from the trials each time, which costs microseconds and
    lets a study be taken up again without any state of its own.
    """

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: Space) -> Any:
        if not search_space:
            return {}
        done = scored(study)
        points = np.array(
            [[to_unit(d, t.params[n]) for n, d in search_space.items()] for t in done]
        ).reshape(len(done), len(search_space))
        mean, cov, sigma = adapted(points, np.array([t.value for t in done]))
        point = np.random.default_rng(self.seed).multivariate_normal(mean, sigma**2 * cov)
        pairs = zip(search_space.items(), point, strict=True)
        return {name: from_unit(distribution, u) for (name, distribution), u in pairs}


@samplers.register("cmaes")
def cmaes(seed: int, space: Space) -> BaseSampler:
    """CMA-ES (Hansen and Ostermeier, 2001), over the unit cube; choices are cut from an axis."""
    return CmaEsSampler(seed, space)


def adapted(points: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray, float]:
    """Mean, covariance and step size after the whole generations in ``points`` (n by d).

    The equations and constants are those of Hansen, "The CMA Evolution Strategy: A Tutorial"
    (2016), without its negative weights.
    """
    d = points.shape[1]
    size = 4 + int(3 * np.log(d))
    weights = np.log((size + 1) / 2) - np.log(np.arange(1, size // 2 + 1))
    weights /= weights.sum()
    mu_eff = 1 / (weights**2).sum()
    c_sigma = (mu_eff + 2) / (d + mu_eff + 5)
    d_sigma = 1 + 2 * max(0.0, np.sqrt((mu_eff - 1) / (d + 1)) - 1) + c_sigma
    c_c = (4 + mu_eff / d) / (d + 4 + 2 * mu_eff / d)
    c_1 = 2 / ((d + 1.3) ** 2 + mu_eff)
    c_mu = min(1 - c_1, 2 * (mu_eff - 2 + 1 / mu_eff) / ((d + 2) ** 2 + mu_eff))
    usual = np.sqrt(d) * (1 - 1 / (4 * d) + 1 / (21 * d**2))  # length of a normal vector
    mean, cov, sigma = np.full(d, 0.5), np.eye(d), STEP
    path_sigma, path_c = np.zeros(d), np.zeros(d)
    for generation in range(len(points) // size):
        here = slice(generation * size, (generation + 1) * size)
        best = points[here][np.argsort(-scores[here], kind="stable")[: len(weights)]]
        steps = (best - mean) / sigma
        step = weights @ steps
        values, vectors = np.linalg.eigh(cov)
        whiten = vectors @ np.diag(1 / np.sqrt(np.maximum(values, 1e-12))) @ vectors.T
        pull = np.sqrt(c_sigma * (2 - c_sigma) * mu_eff)
        path_sigma = (1 - c_sigma) * path_sigma + pull * (whiten @ step)
        length = float(np.linalg.norm(path_sigma))
        early = np.sqrt(1 - (1 - c_sigma) ** (2 * (generation + 1)))
        moving = float(length / early < (1.4 + 2 / (d + 1)) * usual)
        path_c = (1 - c_c) * path_c + moving * np.sqrt(c_c * (2 - c_c) * mu_eff) * step
        keep = 1 - c_1 - c_mu + (1 - moving) * c_1 * c_c * (2 - c_c)
        cov = keep * cov + c_1 * np.outer(path_c, path_c) + c_mu * (steps.T * weights) @ steps
        mean = mean + sigma * step
        sigma = float(np.clip(sigma * np.exp(c_sigma / d_sigma * (length / usual - 1)), 1e-8, 1.0))
    return mean, (cov + cov.T) / 2, sigma
