from __future__ import annotations

import numpy as np
import polars as pl
import pytest
from scipy.stats import chi2_contingency, ks_2samp

from everloop.extensions import drift_tests
from everloop.monitor.drift.chi_square import ChiSquare
from everloop.monitor.drift.kolmogorov_smirnov import KolmogorovSmirnov, largest_gap
from everloop.monitor.profile import CategorySketch, NumberSketch, sketch_category, sketch_number

RNG = np.random.default_rng(0)


def categories(shares: list[float], n: int) -> CategorySketch:
    values = RNG.choice(["a", "b", "c"], size=n, p=shares)
    return sketch_category(pl.Series(values), ("a", "b", "c"))


def test_the_gap_is_kolmogorovs() -> None:
    a, b = RNG.integers(0, 30, 500).astype(float), RNG.integers(3, 33, 400).astype(float)
    assert largest_gap(sketch_number(a), sketch_number(b)) == pytest.approx(
        ks_2samp(a, b).statistic
    )
    x, y = RNG.normal(size=9_000), RNG.normal(0.3, 1, 8_000)
    gap = largest_gap(sketch_number(x), sketch_number(y))
    assert gap == pytest.approx(ks_2samp(x, y).statistic, abs=1 / 128)


def test_a_moved_number_is_found_and_described() -> None:
    before, after = sketch_number(RNG.normal(10, 1, 5_000)), sketch_number(RNG.normal(11, 1, 1_000))
    shift = KolmogorovSmirnov().compare(before, after)
    assert shift is not None
    assert shift.p_value < 1e-10
    assert shift.effect == pytest.approx(0.383, abs=0.04)  # 2Φ(1/2) - 1
    assert shift.summary.startswith("median 9.9") or shift.summary.startswith("median 10")


def test_quiet_numbers_have_honest_p_values() -> None:
    before = sketch_number(RNG.normal(size=20_000))
    found = [
        shift.p_value
        for _ in range(200)
        if (shift := KolmogorovSmirnov().compare(before, sketch_number(RNG.normal(size=500))))
    ]
    assert np.mean(np.array(found) < 0.05) <= 0.05


def test_dependence_in_time_weakens_the_evidence() -> None:
    slow = sketch_number(np.repeat(RNG.normal(size=56), 100))
    after = sketch_number(np.repeat(RNG.normal(size=8), 100))
    shift = KolmogorovSmirnov().compare(slow, after)
    assert shift is not None
    assert shift.draws < 20
    assert shift.p_value > 1e-3


def test_chi_square_is_pearsons_and_the_effect_is_a_share() -> None:
    before, after = categories([0.5, 0.3, 0.2], 4_000), categories([0.3, 0.5, 0.2], 1_000)
    shift = ChiSquare().compare(before, after)
    assert shift is not None
    table = np.array([before.counts, after.counts])
    assert shift.statistic == pytest.approx(chi2_contingency(table, correction=False).statistic)
    assert shift.effect == pytest.approx(0.2, abs=0.04)
    assert shift.p_value < 1e-10
    assert shift.summary[:2] in ("a ", "b ")


def test_unseen_values_are_drift_of_a_category() -> None:
    before = sketch_category(pl.Series(["a", "b"] * 500), ("a", "b"))
    after = sketch_category(pl.Series(["a", "b", "z", "z"] * 100), ("a", "b"))
    shift = ChiSquare().compare(before, after)
    assert shift is not None
    assert shift.p_value < 1e-10
    assert "unseen" in shift.summary


@pytest.mark.parametrize("name", drift_tests.names())
def test_every_test_keeps_its_promises(name: str) -> None:
    test = drift_tests.get(name)()
    numbers = [np.array([]), np.array([1.0]), np.full(50, 2.0), np.array([np.nan] * 9)]
    texts = [pl.Series([], dtype=pl.String), pl.Series(["a"]), pl.Series([None], dtype=pl.String)]
    sketches: list[NumberSketch | CategorySketch] = [sketch_number(x) for x in numbers]
    sketches += [sketch_category(x, ("a", "b")) for x in texts]
    for before in sketches:
        for after in sketches:
            shift = test.compare(before, after)
            if shift is not None:
                assert 0 <= shift.effect <= 1
                assert 0 <= shift.p_value <= 1
