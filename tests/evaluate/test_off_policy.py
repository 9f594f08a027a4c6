"""Estimators of what a policy would earn: right on a bandit whose value is known."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import polars as pl
import pytest

import everloop as el
from bandit_stream import ACTIONS, contexts, play, skewed, table, true_value
from everloop.data.encode import encode_target
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.gates import Evidence, parse_gate
from everloop.evaluate.metrics import estimate, get_metric
from everloop.evaluate.rewards import with_expected

SCHEMA = Schema(
    (Feature("x", "number"), Feature("z", "number")),
    "clicked", "bandit", ACTIONS, action="offer", propensity="p",
)  # fmt: skip
NAMES = ("value_ips", "value_snips", "value_dr")
REPEATS, ROWS = 200, 400
judge = partial(el.off_policy, action="offer", reward="clicked", propensity="p")


def better(X: np.ndarray) -> np.ndarray:
    """A policy that looks at x: ``a`` where it is positive, else ``b``; ``c`` at times."""
    right = np.where(X[:, 0] > 0, 0.8, 0.1)
    return np.column_stack([right, 0.9 - right, np.full(len(X), 0.1)])


def logged_rows(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    X = contexts(count, seed)
    y = np.column_stack(play(X, skewed(X), np.random.default_rng(seed + 1)))
    return X, y


@pytest.fixture(scope="module")
def truth() -> float:
    X = contexts(200_000, 99)
    return true_value(X, better(X))


def test_estimators_are_right_on_the_mean_and_their_intervals_cover(truth: float) -> None:
    values, covered = {name: [] for name in NAMES}, dict.fromkeys(NAMES, 0)
    for seed in range(REPEATS):
        X, y = logged_rows(ROWS, 50_000 + 2 * seed)
        proba, full = better(X), with_expected(y, X, SCHEMA)
        for name in NAMES:
            one = estimate(get_metric(name), full, proba.argmax(axis=1), proba)
            values[name].append(one.value)
            covered[name] += one.low <= truth <= one.high
    for name, found in values.items():
        assert abs(np.mean(found) - truth) < 3 * np.std(found) / np.sqrt(REPEATS), name
        assert covered[name] >= 0.9 * REPEATS, name


def test_a_model_of_the_reward_and_normalised_weights_are_less_uncertain() -> None:
    X, y = logged_rows(2_000, 5)
    proba, full = better(X), with_expected(y, X, SCHEMA)
    widths = {}
    for name in NAMES:
        one = estimate(get_metric(name), full, proba.argmax(axis=1), proba)
        widths[name] = one.high - one.low
    assert widths["value_dr"] < widths["value_snips"] < widths["value_ips"]
    # Rewards of the policy's own need no weights.
    own = y[:, 1]
    for name in widths:
        assert get_metric(name).function(own, y[:, 0], None) == pytest.approx(own.mean())


def evidence(X: np.ndarray, y: np.ndarray, challenger: Any, champion: Any) -> Evidence:
    ours, theirs = (Answers(p.argmax(axis=1), p) for p in (challenger, champion))
    frame = pl.DataFrame({"x": X[:, 0], "z": X[:, 1]})
    return Evidence(SCHEMA, frame, with_expected(y, X, SCHEMA), ours, theirs)


def test_the_gate_compares_both_policies_on_the_same_logged_rows() -> None:
    X, y = logged_rows(2_000, 7)
    good, bad = better(X), better(-X)
    gate = parse_gate("value_dr beats champion")
    assert gate.check(evidence(X, y, good, bad)).verdict == "pass"
    assert gate.check(evidence(X, y, bad, good)).verdict == "fail"
    few = slice(0, 150)
    sure = gate.check(evidence(X[few], y[few], good[few], skewed(X)[few]))
    assert sure.verdict == "not_enough_evidence"


def test_rows_without_overlap_are_not_enough_evidence() -> None:
    X = contexts(500, 3)
    only_a = np.tile([1.0, 0.0, 0.0], (500, 1))
    y = np.column_stack(play(X, only_a, np.random.default_rng(0)))
    never = np.tile([0.02, 0.49, 0.49], (500, 1))
    found = parse_gate("value_dr beats champion").check(evidence(X, y, never, only_a))
    assert found.verdict == "not_enough_evidence" and "hardly tried there" in found.detail
    one = np.tile([0.0, 1.0, 0.0], (500, 1))
    found = parse_gate("value_ips >= 0.1").check(evidence(X, y, one, only_a))
    assert found.verdict == "not_enough_evidence" and "effective sample size" in found.detail


def test_a_table_is_judged_in_one_call(truth: float) -> None:
    frame = table(3_000, 11)
    X = frame.select("x", "z").to_numpy()
    found = judge(frame, better(X))
    assert found.value_dr.low <= truth <= found.value_dr.high
    assert found.value_dr.value > found.logged and found.note == ""
    assert found.overlap.rows == 3_000 and 500 < found.overlap.effective < 3_000
    # A rare action: weights beyond the bound are clipped, and said.
    rare = frame.with_columns(p=pl.when(pl.int_range(pl.len()) < 5).then(1e-4).otherwise("p"))
    assert judge(rare, better(X)).overlap.clipped > 0


def changed(frame: pl.DataFrame, **columns: Any) -> pl.DataFrame:
    return frame.with_columns(**{name: pl.lit(value) for name, value in columns.items()})


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"p": 0.0}, "a probability above 0 and up to 1"),
        ({"p": 1.5}, "a probability above 0 and up to 1"),
        ({"clicked": 1.0}, "at least two different values"),
        ({"offer": "a"}, "at least two different values"),
        ({"clicked": "yes"}, "a number"),
    ],
)
def test_a_table_that_says_nothing_is_refused_in_a_sentence(
    change: dict[str, Any], told: str
) -> None:
    with pytest.raises(InvalidInput, match=told):
        judge(changed(table(50, 1), **change), np.full((50, 3), 1 / 3))


def test_probabilities_must_be_some() -> None:
    frame = table(50, 1)
    with pytest.raises(InvalidInput, match=r"shape \(50, 3\)"):
        judge(frame, np.full((50, 2), 0.5))
    with pytest.raises(InvalidInput, match="sum is 1"):
        judge(frame, np.full((50, 3), 0.5))


def test_an_action_that_was_never_seen_is_refused() -> None:
    frame = changed(table(50, 1), offer="d")
    with pytest.raises(InvalidInput, match=r"one of the actions \('a', 'b', 'c'\)"):
        encode_target(frame, SCHEMA)


def test_without_propensities_all_actions_were_alike() -> None:
    frame = table(200, 1).drop("p")
    found = el.off_policy(frame, np.full((200, 3), 1 / 3), action="offer", reward="clicked")
    assert found.value_ips.value == pytest.approx(found.logged)
    assert found.overlap.effective == pytest.approx(200)
