from __future__ import annotations

import numpy as np
import pytest

from everloop.monitor.dependence import block_estimate, rows_per_draw


def test_independent_rows_count_for_themselves() -> None:
    rng = np.random.default_rng(0)
    found = [rows_per_draw(rng.integers(0, 5, 6_000), 5) for _ in range(20)]
    assert np.mean(found) < 1.6


@pytest.mark.parametrize("run", [20, 100])
def test_runs_of_equal_rows_count_once(run: int) -> None:
    rng = np.random.default_rng(1)
    found = [rows_per_draw(np.repeat(rng.integers(0, 5, 20_000 // run), run), 5) for _ in range(20)]
    assert run / 2 < np.mean(found) < run * 2


def test_a_season_is_change_and_not_noise() -> None:
    rng = np.random.default_rng(2)
    season = np.linspace(0, 1, 300_000)  # the share of level 1 goes from none to all
    codes = (rng.random(300_000) < season).astype(np.int64)
    assert rows_per_draw(codes, 2) < 30  # of one stretch: thousands


@pytest.mark.parametrize("rows", [0, 1, 5, 200])
def test_too_few_rows_or_levels_say_nothing(rows: int) -> None:
    assert rows_per_draw(np.zeros(rows, dtype=np.int64), 3) == 1.0
    assert rows_per_draw(np.zeros(10_000, dtype=np.int64), 1) == 1.0


def test_the_error_of_a_mean_of_independent_rows() -> None:
    rng = np.random.default_rng(3)
    errors = []
    for _ in range(50):
        x = rng.normal(size=2_000)
        estimate = block_estimate(lambda rows, x=x: float(x[rows].mean()), len(x))
        assert estimate.value == pytest.approx(x.mean())
        errors.append(estimate.error)
    assert np.mean(errors) == pytest.approx(1 / np.sqrt(2_000), rel=0.2)


def test_the_error_knows_that_neighbours_are_alike() -> None:
    x = np.repeat(np.random.default_rng(4).normal(size=40), 50)
    estimate = block_estimate(lambda rows: float(x[rows].mean()), len(x))
    assert estimate.error > 3 * x.std() / np.sqrt(len(x))


def test_few_rows_have_no_error() -> None:
    assert np.isnan(block_estimate(lambda rows: float(len(rows)), 59).error)
