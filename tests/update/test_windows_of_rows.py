"""Which rows a window holds, and where a change of level is found."""

from __future__ import annotations

import numpy as np
import pytest

from everloop.errors import InvalidInput
from everloop.update.changes import changes
from everloop.update.windows import change_start, parse_window, windowed

DAY = 86_400_000
TIMES = np.arange(1_000) * DAY // 10  # ten rows a day


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_found_and_noise_is_not(seed: int) -> None:
    rng = np.random.default_rng(seed)
    level = rng.exponential(0.5, 4_000)
    assert changes(level) == []
    level[2_500:] *= 1.4
    (found,) = changes(level)
    assert abs(found - 2_500) <= 100
    wrong = (rng.random(3_000) < np.repeat([0.2, 0.35], 1_500)).astype(float)
    assert abs(changes(wrong)[-1] - 1_500) <= 150


def test_two_steps_and_too_few_rows() -> None:
    rng = np.random.default_rng(0)
    level = np.repeat([0.0, 1.0, 0.5], 1_000) + rng.normal(0, 0.3, 3_000)
    assert np.allclose(changes(level), [1_000, 2_000], atol=50)
    assert changes(level[:150]) == [] and changes(np.ones(1_000)) == []


def test_a_change_that_is_too_young_to_learn_from_waits() -> None:
    losses = np.concatenate([np.full(800, 0.2), np.full(200, 1.0)])
    losses += np.random.default_rng(0).normal(0, 0.05, 1_000)
    assert change_start(losses, TIMES) == TIMES[800]
    assert change_start(losses[:950], TIMES[:950]) is None
    losses[:100] = np.nan  # rows that the model was fitted on
    assert change_start(losses, TIMES) == TIMES[800]


@pytest.mark.parametrize(
    ("text", "rows", "since"),
    [
        ("newest 30d", 301, TIMES[699]),
        ("newest 250 rows", 250, TIMES[750]),
        ("change", 400, TIMES[600]),
    ],
)
def test_a_window_is_by_time(text: str, rows: int, since: int) -> None:
    order = np.random.default_rng(0).permutation(1_000)
    found = windowed(parse_window(text), TIMES[order], 1_000, since if text == "change" else None)
    assert found.rows is not None and len(found.rows) == rows
    assert found.since == since == TIMES[order][found.rows].min()


def test_weights_halve_with_each_half_life() -> None:
    found = windowed(parse_window("decay 10d"), TIMES, 1_000)
    assert found.weights is not None and found.weights.mean() == pytest.approx(1.0)
    assert found.weights[-1] / found.weights[-101] == pytest.approx(2.0)
    assert "weigh as 2" in found.note  # some 290 rows


@pytest.mark.parametrize(
    "text", ["newest", "newest 0 rows", "newest x", "decay", "decay 0d", "last 3d", ""]
)
def test_what_is_no_window_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match=r"update\.window: got .* expected one of \"all\""):
        parse_window(text)


def test_a_change_whose_rows_were_held_out_in_part_takes_those_before_it() -> None:
    """It was found among all rows; those that judge are not among these."""
    times = np.arange(1000) * 10
    part = windowed(parse_window("change"), times, 1000, since=8_400)
    assert part.rows is not None and part.rows.tolist() == [*range(800, 1000)]
    assert part.since == 8_000 and "200 of 1,000 rows train" in part.note
    longer = windowed(parse_window("change"), times, 1000, since=5_000)
    assert longer.rows is not None and len(longer.rows) == 500


def test_a_window_without_time_or_rows_is_refused() -> None:
    with pytest.raises(InvalidInput, match=r"data\.time names the column"):
        windowed(parse_window("newest 3d"), None, 10)
    with pytest.raises(InvalidInput, match="with 200 training rows or more; it has 11"):
        windowed(parse_window("newest 1d"), TIMES, 1_000)
