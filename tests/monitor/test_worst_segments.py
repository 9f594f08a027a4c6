"""Worst segments, planted and not."""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.schema import Feature, Schema
from everloop.monitor.estimation.heldout import hold
from everloop.monitor.segments import Losses, Segments, losses, worst_segments

SCHEMA = Schema(
    features=(
        *(Feature(f"x{i}", "number") for i in range(6)),
        Feature("place", "category", ("JFK", "LGA", "EWR")),
    ),
    target="y",
    task="binary",
    classes=(False, True),
)


def frame(rng: np.random.Generator, n: int) -> pl.DataFrame:
    values = {f"x{i}": rng.normal(size=n) for i in range(6)}
    return pl.DataFrame(values | {"place": rng.choice(["JFK", "LGA", "EWR"], n)})


def found(seed: int, n: int, planted: bool) -> Segments:
    """Wrong answers: 20 %, and 60 % at EWR where x0 is large if planted."""
    rng = np.random.default_rng(seed)
    before, rows = frame(rng, 3_000), frame(rng, n)
    wrong = np.full(n, 0.2)
    if planted:
        there = (rows["place"] == "EWR") & (rows["x0"] > 0.7)
        wrong = np.where(there.to_numpy(), 0.6, wrong)
    lost = (rng.random(n) < wrong).astype(float)
    tested = (rng.random(3_000) < 0.2).astype(float)
    none = np.zeros(3_000, dtype=np.int64)
    held = hold(before, SCHEMA, none, none, None)
    codes = held.encode(rows, SCHEMA)
    return worst_segments(held, codes, Losses(lost, lost), tested, "share wrong")


def test_a_planted_pair_is_found_with_what_it_was_before() -> None:
    worst = found(0, 3_000, planted=True).worst
    assert "place 'EWR'" in worst[0].name and "x0" in worst[0].name and " and " in worst[0].name
    assert worst[0].low < 0.6 < worst[0].high
    assert worst[0].rest < 0.3
    assert worst[0].tested is not None and worst[0].tested < 0.35
    assert worst[0].p_value < 0.001


def test_nothing_is_named_where_nothing_is() -> None:
    named = [len(found(seed, 2_000, planted=False).worst) > 0 for seed in range(20)]
    assert sum(named) <= 4


def test_few_rows_have_no_segments() -> None:
    for n in (0, 1, 5, 40):
        assert found(0, n, planted=False).worst == ()


def test_losses_are_wrong_answers_money_or_distances() -> None:
    y, pred = np.array([0, 1, 1]), np.array([0, 0, 1])
    assert losses(y, pred, None).tolist() == [0, 1, 0]
    assert losses(y, pred, np.array([[0.0, 5.0], [90.0, -1.0]])).tolist() == [0, 90, -1]
    assert losses(np.array([1.0, 2.0]), np.array([0.5, 4.0]), None).tolist() == [0.5, 2.0]
