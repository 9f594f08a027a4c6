"""Built-in drift tests; importing this package registers them."""

from everloop.monitor.drift import (
    chi_square,
    embedding,
    hellinger,
    jensen_shannon,
    kolmogorov_smirnov,
    l_infinity,
    population_stability_index,
    wasserstein,
)

__all__ = [
    "chi_square",
    "embedding",
    "hellinger",
    "jensen_shannon",
    "kolmogorov_smirnov",
    "l_infinity",
    "population_stability_index",
    "wasserstein",
]
