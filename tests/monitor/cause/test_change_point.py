"""Since when, on rows whose change is known."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.monitor.cause.change_point import find_change, locate
from everloop.monitor.cause.levels import number_levels


def codes(seed: int, before: int, after: int, shift: float) -> tuple[np.ndarray, int]:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.normal(size=before), rng.normal(shift, 1, after)])
    levels = number_levels(values, "x")
    return levels.codes, len(levels.names)


@pytest.mark.parametrize(("shift", "off"), [(2.0, 15), (0.5, 150)])
def test_the_row_of_the_change_is_found(shift: float, off: int) -> None:
    spot = locate(*codes(0, 4_000, 1_000, shift))
    assert spot is not None
    assert abs(spot.row - 4_000) <= off
    assert spot.low <= spot.row <= spot.high


def test_the_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    spots = [locate(*codes(seed, 900, 600, 0.7)) for seed in range(60)]
    found = [spot for spot in spots if spot is not None]
    assert len(found) == 60
    assert sum(spot.low <= 900 <= spot.high for spot in found) >= 53


def test_quiet_rows_have_no_change() -> None:
    assert sum(locate(*codes(seed, 1_000, 500, 0.0)) is not None for seed in range(60)) <= 3


def test_rows_that_resemble_their_neighbours_are_no_change() -> None:
    rng = np.random.default_rng(1)
    runs = np.repeat(rng.integers(0, 4, 300), 20)  # each value stays for twenty rows
    assert locate(runs.astype(np.int64), 4) is None


def test_times_and_too_few_rows() -> None:
    values, levels = codes(3, 500, 500, 3.0)
    times = np.arange(1_000, dtype=np.int64) * 60_000
    found = find_change(values, levels, times)
    assert found is not None
    assert abs(found.at - 500 * 60_000) <= 5 * 60_000
    assert found.low <= found.at <= found.high
    assert find_change(values[:50], levels, times[:50]) is None


def test_a_value_that_many_rows_share_is_a_level() -> None:
    values = np.concatenate([np.zeros(60), np.ones(30), [0.5, 2.0, np.nan]])
    levels = number_levels(values, "x")
    assert levels.names[levels.codes[0]] == "x = 0"
    assert levels.names[levels.codes[-1]] == "x missing"
    assert len(set(levels.codes[:60])) == 1
