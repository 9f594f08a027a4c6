"""Samplers by their plain names."""

from everloop.train.search.samplers import (
    cmaes,
    gp,
    grid,
    multivariate_tpe,
    population,
    random,
    sobol,
    tpe,
)

__all__ = ["cmaes", "gp", "grid", "multivariate_tpe", "population", "random", "sobol", "tpe"]
