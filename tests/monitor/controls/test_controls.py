"""How often each control is wrong where nothing moves, and how soon it is right."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
from scipy.special import ndtr

from everloop.extensions import controls
from everloop.monitor.controls._base import Control, Evidence, State, adjust_e_values
from everloop.monitor.controls.saffron import TOTAL, Wealth, _gamma
from everloop.monitor.deviations import Deviations, Plain
from everloop.monitor.spec import MonitorSpec

SPEC = MonitorSpec()
NAMES = controls.names()


def control(name: str, spec: MonitorSpec = SPEC) -> Control:
    made: Control = controls.get(name)(spec)
    return made


def evidence(away: np.ndarray, draws: float = 1_000) -> dict[str, Evidence]:
    """Features whose means are ``away`` in standard deviations, and p-values that tolerate some."""
    score = np.maximum(np.abs(away) - SPEC.tolerance, 0.0) * np.sqrt(draws)
    return {
        f"x{i}": Evidence(
            float(2 * ndtr(-score[i])),
            Deviations((Plain("location", 1.0, float(value)),), draws, 0.0),
        )
        for i, value in enumerate(away)
    }


def windows(name: str, shift: float, count: int, seed: int = 0) -> list[list[str]]:
    """The features that drift in each window, three of twenty by ``shift``."""
    rng = np.random.default_rng(seed)
    moved = np.where(np.arange(20) < 3, shift, 0.0)
    state: State = {}
    found = []
    for _ in range(count):
        ruling = control(name).rule(evidence(rng.normal(moved, 1 / np.sqrt(1_000))), state)
        state = ruling.state
        found.append(ruling.drifted)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_nothing_moves_and_next_to_nothing_is_told(name: str) -> None:
    alarms = sum(any(windows(name, 0.0, 50, seed)) for seed in range(20))
    assert alarms <= 1


@pytest.mark.parametrize("name", NAMES)
def test_a_third_of_a_standard_deviation_is_told_at_once(name: str) -> None:
    assert {"x0", "x1", "x2"} <= set(windows(name, 0.35, 1)[0])


def test_a_tenth_is_told_within_seven_windows() -> None:
    delays = []
    for seed in range(20):
        found = windows("e_detector", 0.1, 15, seed)
        at = next((i for i, names in enumerate(found) if names), 15)
        delays.append(at + 1)
        assert set(found[min(at, 14)]) <= {"x0", "x1", "x2"}
    assert np.median(delays) <= 7


def test_a_move_within_the_tolerance_is_never_told() -> None:
    assert not any(windows("e_detector", 0.03, 300))


def test_the_end_of_a_drift_is_seen_soon() -> None:
    state: State = {}
    rng = np.random.default_rng(0)
    for _ in range(30):
        ruling = control("e_detector").rule(evidence(rng.normal(0.5, 0.03, 3)), state)
        state = ruling.state
    assert len(ruling.drifted) == 3
    quiet = 0
    while ruling.drifted:
        ruling = control("e_detector").rule(evidence(rng.normal(0, 0.03, 3)), state)
        state, quiet = ruling.state, quiet + 1
    assert quiet <= 5


def test_the_run_length_holds_at_the_edge_of_the_tolerance() -> None:
    """The mean time to a false alarm is at least the run length, here of 20 windows."""
    spec = MonitorSpec(run_length=20)
    rng = np.random.default_rng(0)
    runs = []
    for _ in range(60):
        state: State = {}
        at = 0
        while at < 100:
            at += 1
            away = rng.normal(spec.tolerance, 1 / np.sqrt(1_000), 5)
            ruling = control("e_detector", spec).rule(evidence(away), state)
            state = ruling.state
            if ruling.drifted:
                break
        runs.append(at)
    assert np.mean(runs) >= 20


@pytest.mark.parametrize("name", NAMES)
def test_a_window_without_evidence_is_no_obstacle(name: str) -> None:
    state: State = {}
    for seen in ({}, {"x": Evidence(1.0, None)}, evidence(np.zeros(2))):
        ruling = control(name).rule(seen, state)
        state = ruling.state
        assert set(ruling.adjusted) == set(seen)
        assert not ruling.drifted


def test_what_is_remembered_of_a_feature_outlasts_a_window_without_it() -> None:
    first = control("e_detector").rule(evidence(np.array([0.1])), {})
    blind: Mapping[str, Evidence] = {"x0": Evidence(1.0, None)}
    assert control("e_detector").rule(blind, first.state).state == first.state
    assert control("e_detector").restarted(first.state) == {}
    assert control("lord").restarted({"tested": 3}) == {"tested": 3}


def test_adjusted_e_values_are_e_bh() -> None:
    # By hand: 4/(1·100), 4/(2·40), 4/(3·2), then at most 1.
    found = adjust_e_values({"a": 40.0, "b": 100.0, "c": 0.0, "d": 2.0})
    assert found == pytest.approx({"b": 0.04, "a": 0.05, "d": 4 / 6, "c": 1.0})


def test_saffron_by_hand() -> None:
    rate, start = 0.05, Wealth()
    assert sum(_gamma(j) for j in range(1, 100_000)) == pytest.approx(1.0, abs=1e-3)
    assert start.level(rate) == pytest.approx(0.5 * 0.025 / TOTAL)
    # A window that was a candidate costs nothing; one that was none is paid for.
    assert start.after(0.9, False).level(rate) == pytest.approx(0.5 * 0.025 * _gamma(2))
    assert start.after(0.3, False).level(rate) == pytest.approx(0.5 * 0.025 * _gamma(1))
    told = start.after(0.001, True)
    assert told.level(rate) == pytest.approx(0.5 * (0.025 * _gamma(1) + 0.025 * _gamma(1)))
