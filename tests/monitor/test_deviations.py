"""What a window's directions are, and that bets on them are fair."""

from __future__ import annotations

import math

import numpy as np
import polars as pl
import pytest

from everloop.monitor.deviations import Deviations, deviations
from everloop.monitor.profile import sketch_category, sketch_number

RNG = np.random.default_rng(0)
REFERENCE = sketch_number(RNG.normal(size=200_000))


def away(values: np.ndarray) -> dict[str, float]:
    found = deviations(REFERENCE, sketch_number(values))
    assert found is not None
    return {direction.name: direction.away for direction in found.directions}


def test_a_shift_is_told_in_standard_deviations() -> None:
    found = away(RNG.normal(0.3, 1, 100_000))
    assert found["location"] == pytest.approx(0.29, abs=0.02)
    assert max(abs(found[name]) for name in ("spread", "skewness", "peakedness")) < 0.08


def test_a_wider_feature_moves_the_spread_alone() -> None:
    found = away(RNG.normal(0, 1.3, 100_000))
    assert found["spread"] > 0.2
    assert abs(found["location"]) < 0.02


def test_ties_count_for_either_side() -> None:
    mostly = sketch_number((RNG.random(50_000) < 0.1).astype(float))
    found = deviations(mostly, sketch_number((RNG.random(50_000) < 0.1).astype(float)))
    assert found is not None
    assert max(abs(direction.away) for direction in found.directions) < 0.03


def test_levels_and_values_never_seen() -> None:
    before = sketch_category(pl.Series(["a", "b"] * 500), ("a", "b"))
    found = deviations(before, sketch_category(pl.Series(["a", "b", "z", "z"] * 100), ("a", "b")))
    assert found is not None
    assert found.strongest.name == "rare and unseen values"
    assert found.words() == "rare and unseen values +4.92 sd"
    same = deviations(before, sketch_category(pl.Series(["a", "b"] * 100), ("a", "b")))
    assert same is not None
    assert [direction.away for direction in same.directions] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("rows", [30, 1_000])
@pytest.mark.parametrize("move", [0.0, 0.05])
def test_no_bet_gains_on_average_within_the_margin(rows: int, move: float) -> None:
    """The mean of each e-value over many windows is at most 1, up to its own error."""
    values: dict[tuple[str, int, float], list[float]] = {}
    for _ in range(400):
        window = sketch_number(RNG.normal(move, 1, rows))
        found = deviations(REFERENCE, window)
        assert found is not None
        for direction in found.directions:
            for sign in (1, -1):
                for stake in (0.6, 1.6):
                    log = direction.log_e(sign, stake, found.draws, 0.05)
                    values.setdefault((direction.name, sign, stake), []).append(math.exp(log))
    for bet, each in values.items():
        error = np.std(each) / math.sqrt(len(each))
        assert np.mean(each) <= 1 + 4 * error, bet


def test_bets_on_a_share_are_exact_at_the_edge() -> None:
    before = sketch_category(pl.Series(["a"] * 300 + ["b"] * 700).shuffle(0), ("a", "b"))
    found = deviations(before, before)
    assert found is not None
    share = next(d for d in found.directions if d.name == "a")
    edge, n = 0.3 + 0.05 * math.sqrt(0.21), 40
    expected = 0.0
    for k in range(n + 1):
        seen = share._replace(now=k / n)  # type: ignore[attr-defined]
        chance = math.comb(n, k) * edge**k * (1 - edge) ** (n - k)
        expected += chance * math.exp(seen.log_e(1, 1.6, n, 0.05))
    assert expected == pytest.approx(1.0)


@pytest.mark.parametrize("values", [[], [np.nan] * 9, [np.inf] * 9, [1.0], [1.0] * 5])
def test_too_little_is_no_evidence(values: list[float]) -> None:
    window = sketch_number(np.array(values))
    assert deviations(window, REFERENCE) is None or window.n >= 2
    found = deviations(REFERENCE, window)
    assert found is None or isinstance(found, Deviations)
    assert (found is None) == (window.n == 0)
