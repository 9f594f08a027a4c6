"""A bandit's update is probed off policy before it is paid for."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from loop_stream import carry_out

import everloop as el
from bandit_stream import AT, chances, contexts, serve, table
from everloop.loop.loop import Loop
from everloop.loop.replaying import replay
from everloop.loop.watching import look

DAY = 86_400_000
DATA = {
    "source": "rows.parquet", "time": "at", "target": "clicked", "action": "offer",
    "propensity": "p",
}  # fmt: skip


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose loop has a champion."""
    folder = tmp_path_factory.mktemp("offers")
    at = pl.Series(AT - np.arange(1_500, 0, -1) * 60_000).cast(pl.Datetime("ms"))
    table(1_500, 0).with_columns(at=at).write_parquet(folder / "rows.parquet")
    made = declared(folder)
    assert carry_out(made.project, made.run(wait=False)).verdict == "promoted"
    made.project.close()
    return folder


@pytest.fixture
def loop(trained: Path, tmp_path: Path) -> Iterator[Loop]:
    made = declared(shutil.copytree(trained, tmp_path / "copy"))
    yield made
    made.project.close()


def declared(folder: Path) -> Loop:
    sections = {
        "loop": {"name": "offers"},
        "data": DATA,
        "train": {"candidates": ["ridge"], "explore": 0.2},
        "monitor": {"performance": {"labels_after": "1h"}},
        "update": {"when": ["performance", "drift"]},
    }
    return el.declare(folder, el.from_dict(sections).declaration)


def day(loop: Loop, number: int, *, turned: bool = False, shift: float = 0.0) -> None:
    """700 customers; the tastes of some days are turned round, or others come."""
    X = contexts(700, 50 + number) + shift
    earned = np.random.default_rng(number).random((700, 3)) < chances(-X if turned else X)
    serve(loop, X, earned, AT + number * DAY)


def probed(loop: Loop) -> tuple[Any, dict[str, Any]]:
    """The cycle that a look begins, at its end, and what its probe found."""
    begun = look(loop.project, loop.declaration, actor="controller").cycle
    assert begun is not None and begun.cause["probe"]
    ended = carry_out(loop.project, begun)
    step = loop.project.cycles.step(begun.id, "probe")
    assert step is not None
    return ended, step.result or {}


def test_a_taste_that_turned_is_worth_a_new_policy(loop: Loop) -> None:
    for number in range(10):
        day(loop, number, turned=number > 1)  # most of what a new policy learns from
    ended, found = probed(loop)
    worth = found["worth"]
    assert worth["metric"] == "value_dr" and worth["rows"] >= 1_400
    assert 0 < worth["low"] < worth["gain"] < worth["high"]
    assert found["method"]["name"] == "retrain" and found["action"] == "cycle"
    assert ended.verdict == "promoted", ended.reason
    assert replay(ended, loop.steps(ended.id)).agrees


def test_other_customers_who_like_the_same_are_not(loop: Loop) -> None:
    for number in range(8):
        day(loop, number, shift=0.0 if number < 4 else 1.0)
    ended, found = probed(loop)
    assert found["worth"]["enough"] and not found["worth"]["worth"]
    assert ended.verdict == "not_worth_it", ended.reason
    assert "value_dr" in (ended.reason or "")
    assert replay(ended, loop.steps(ended.id)).agrees


def test_where_too_little_is_told_the_gates_decide(loop: Loop) -> None:
    for number in range(8):
        X = contexts(40, 70 + number) + (0.0 if number < 4 else 3.0)
        serve(loop, X, np.zeros((40, 3)), AT + number * DAY)
    monitor = msgspec.structs.replace(loop.declaration.monitor, min_rows=20)
    less = msgspec.structs.replace(loop.declaration, monitor=monitor)
    _, found = probed(el.declare(loop.project.dir, less))
    assert "nothing is told off policy" in found["why"] and "200 needed" in found["why"]
