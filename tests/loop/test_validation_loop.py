"""Choosing inside outer parts, and a threshold by money, all the way to the report."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from loop_stream import carry_out

import everloop as el
from everloop.errors import InvalidInput
from everloop.loop.checking import check_words


def bad_payers(folder: Path, train: dict) -> el.Loop:
    rng = np.random.default_rng(0)
    frame = pl.DataFrame({c: rng.normal(size=500) for c in "abc"}).with_columns(
        shop=pl.Series(rng.integers(0, 25, 500))
    )
    bad = frame["a"].to_numpy() + rng.normal(0, 1.5, 500) > 1.2
    frame.with_columns(bad=pl.Series(bad)).write_parquet(folder / "rows.parquet")
    declared = {
        "data": {"source": "rows.parquet", "target": "bad", "ignore": ["shop"]},
        "train": {"candidates": ["logistic_regression", "decision_tree"], **train},
        "evaluate": {
            "gates": ["roc_auc >= 0.5"],
            "group_by": "shop",
            "cost": {"false_negative": 8, "false_positive": 1, "currency": "EUR"},
        },
    }
    return el.declare(folder, el.from_dict(declared).declaration)


def test_a_nested_choice_and_a_threshold_by_cost_go_round_the_loop(tmp_path: Path) -> None:
    validation = {"kind": "nested", "folds": 2, "outer": 3}
    loop = bad_payers(tmp_path, {"validation": validation, "threshold": "cost"})
    cycle = carry_out(loop.project, loop.run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    trained = loop.project.cycles.step(cycle.id, "train").result
    assert trained["validation"]["rows"] == "2 parts that take turns, whole groups"
    nested = trained["nested"]
    assert len(nested["scores"]) == len(nested["chosen"]) == 3
    assert nested["low"] < nested["value"] < nested["high"] <= 1
    values = loop.project.runs.get(trained["run"]).metrics
    assert values["nested_roc_auc_value"].value == pytest.approx(nested["value"])
    report = json.loads(loop.report())
    assert report["training"]["nested"]["value"] == pytest.approx(nested["value"])
    assert "outer parts" in loop.report(kind="html").decode()
    decided = trained["prepared"]
    assert decided["threshold"] < 0.4  # a miss costs eight times a false alarm
    assert decided["cost"] < decided["cost_at_0.5"]
    for run in [c["run"] for c in trained["candidates"]]:
        again = carry_out(loop.project, loop.reproduce(run, wait=False))
        assert again.verdict == "reproduced", again.reason
    loop.project.close()


def test_costs_are_needed_and_only_two_classes_have_a_threshold() -> None:
    data = {"source": "x.csv", "target": "y"}
    with pytest.raises(InvalidInput, match=r"train\.threshold.*evaluate\.cost"):
        el.from_dict({"data": data, "train": {"threshold": "cost"}})
    declared = el.from_dict({"data": data, "train": {"threshold": "metric"}}).declaration
    with pytest.raises(InvalidInput, match="none for the task regression"):
        check_words(declared, "regression")
