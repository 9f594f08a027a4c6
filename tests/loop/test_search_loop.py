"""A search in a cycle: each trial a run, the baseline in the table, the budget raised later."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from loop_stream import carry_out

import everloop as el
from everloop.loop.project import Project


def searched(folder: Path, trials: int) -> tuple[Project, dict]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(300, 3))
    frame = pl.DataFrame({f"x{i}": X[:, i] for i in range(3)})
    y = X[:, 0] * X[:, 1] > 0
    frame.with_columns(y=pl.Series(y).cast(pl.Int64)).write_csv(folder / "data.csv")
    raw = {
        "loop": {"name": "xor"},
        "data": {"source": "data.csv", "target": "y"},
        "train": {
            "candidates": ["decision_tree", "logistic_regression"],
            "search": {"trials": trials},
        },
        "evaluate": {"gates": []},
    }
    loop = el.declare(folder, el.from_dict(raw).declaration)
    cycle = carry_out(loop.project, loop.train(wait=False))
    step = loop.project.cycles.step(cycle.id, "train")
    assert step is not None and step.result is not None, cycle.reason
    return loop.project, step.result


def test_each_trial_is_a_run_and_a_raised_budget_goes_on(tmp_path):
    project, result = searched(tmp_path, 4)
    with project:
        table = {c["algorithm"]: c for c in result["candidates"]}
        assert list(table)[-1] == "baseline" and table["baseline"]["score"] == 0.5
        assert result["algorithm"] == "decision_tree" and table["decision_tree"]["score"] > 0.6
        trials = project.runs.search(None, "tags.trial IS NOT NULL", [], limit=50).items
        assert sorted(run.tags["trial"] for run in trials) == ["0", "1", "2", "3"]
        parents = {run.tags["mlflow.parentRunId"] for run in trials}
        assert parents <= {c["run"] for c in result["candidates"]}
    again, _ = searched(tmp_path, 6)
    with again:
        trials = again.runs.search(None, "tags.trial IS NOT NULL", [], limit=50).items
        assert len(trials) == 6 and len({run.tags["study"] for run in trials}) == 1
