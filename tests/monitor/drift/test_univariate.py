"""The distances beside Kolmogorov's: seeded values, and how often they cry wolf."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.spatial.distance import jensenshannon
from scipy.stats import ks_2samp, wasserstein_distance

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import Shift
from everloop.monitor.drift.wasserstein import distance_between
from everloop.monitor.profile import CategorySketch, NumberSketch, sketch_category, sketch_number

NAMES = [name for name in drift_tests.names() if "number" in drift_tests.get(name).kinds]
DISTANCES = ["hellinger", "jensen_shannon", "l_infinity", "population_stability_index"]


def numbers(move: float = 0.0, n: int = 1_000, seed: int = 1) -> NumberSketch:
    return sketch_number(np.random.default_rng(seed).normal(move, 1, n))


def levels(*counts: int) -> CategorySketch:
    values = np.random.default_rng(0).permutation(np.repeat(["a", "b", "c"], counts))
    return sketch_category(pl.Series(values), ("a", "b", "c"))


def shift(name: str, before: object, now: object) -> Shift:
    found = drift_tests.get(name)().compare(before, now)
    assert found is not None
    return found


P, Q = np.array([0.5, 0.3, 0.2]), np.array([0.3, 0.5, 0.2])
BY_HAND = {
    "hellinger": float(np.sqrt(((np.sqrt(P) - np.sqrt(Q)) ** 2).sum() / 2)),
    "jensen_shannon": float(jensenshannon(P, Q, base=2)),
    "l_infinity": 0.2,
    "population_stability_index": float(((Q - P) * np.log(Q / P)).sum()),
}


@pytest.mark.parametrize("name", DISTANCES)
def test_distances_of_levels_by_hand(name: str) -> None:
    found = shift(name, levels(500, 300, 200), levels(300, 500, 200))
    assert found.statistic == pytest.approx(BY_HAND[name])
    assert 0 < found.effect < 1
    assert found.p_value < 1e-6
    assert found.summary == "a 50.0% → 30.0%"


# Of 10,000 values of N(0, 1), seed 0, and 1,000 of N(0.3, 1), seed 1.
SEEDED = {
    "hellinger": (0.0900, 0.0900),
    "jensen_shannon": (0.1077, 0.1077),
    "kolmogorov_smirnov": (0.1079, 0.1079),
    "l_infinity": (0.0505, 0.0505),
    "population_stability_index": (0.0650, 0.0320),
    "wasserstein": (0.2410, 0.1942),
}


@pytest.mark.parametrize("name", NAMES)
def test_seeded_statistic_and_effect(name: str) -> None:
    found = shift(name, numbers(0, 10_000, 0), numbers(0.3))
    assert (found.statistic, found.effect) == pytest.approx(SEEDED[name], abs=5e-4)


def test_seeded_values_are_those_of_scipy() -> None:
    x, y = (
        np.random.default_rng(s).normal(m, 1, n) for s, m, n in ((0, 0, 10_000), (1, 0.3, 1_000))
    )
    edges = np.quantile(x, np.arange(1, 10) / 10)
    p, q = (np.bincount(np.searchsorted(edges, v), minlength=10) / len(v) for v in (x, y))
    expected = {
        "hellinger": np.sqrt(((np.sqrt(p) - np.sqrt(q)) ** 2).sum() / 2),
        "jensen_shannon": jensenshannon(p, q, base=2),
        "kolmogorov_smirnov": ks_2samp(x, y).statistic,
        "l_infinity": np.abs(p - q).max(),
        "population_stability_index": ((q - p) * np.log(q / p)).sum(),
        "wasserstein": wasserstein_distance(x, y) / x.std(),
    }
    assert {name: SEEDED[name][0] for name in expected} == pytest.approx(expected, abs=0.008)


@pytest.mark.parametrize("name", NAMES)
def test_the_same_effect_is_surer_with_more_rows(name: str) -> None:
    few = shift(name, numbers(0, 20_000, 0), numbers(0.3, 100))
    many = shift(name, numbers(0, 20_000, 0), numbers(0.3, 20_000))
    assert many.p_value < 1e-6 < few.p_value


@pytest.mark.parametrize("name", NAMES)
def test_quiet_windows_rarely_look_moved(name: str) -> None:
    references = [numbers(0, 20_000, 1_000 + seed) for seed in range(5)]
    found = [
        shift(name, references[seed % 5], numbers(0, 500, seed)).p_value for seed in range(1, 251)
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.08


@pytest.mark.parametrize("values", [[1.0] * 30, [1.0] * 29 + [2.0], [np.inf] * 30])
@pytest.mark.parametrize("name", NAMES)
def test_constants_and_infinities_are_no_obstacle(name: str, values: list[float]) -> None:
    test = drift_tests.get(name)()
    constant = sketch_number(np.array(values))
    for before, now in ((constant, constant), (constant, numbers()), (numbers(), constant)):
        found = test.compare(before, now)
        assert found is None or (0 <= found.effect <= 1 and 0 <= found.p_value <= 1)
        if before is now and found is not None:
            assert found.effect == 0
            assert found.p_value > 0.05


def test_the_work_is_scipys() -> None:
    rng = np.random.default_rng(0)
    few, others = rng.integers(0, 30, 500).astype(float), rng.integers(3, 33, 400).astype(float)
    exact = distance_between(sketch_number(few), sketch_number(others))
    assert exact == pytest.approx(wasserstein_distance(few, others))
    x, y = rng.normal(size=9_000), rng.normal(0.3, 1, 8_000)
    near = distance_between(sketch_number(x), sketch_number(y))
    assert near == pytest.approx(wasserstein_distance(x, y), rel=0.05)
