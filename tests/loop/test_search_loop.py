"""A search in a cycle: each trial a run, the baseline in the table, the budget raised later."""

from __future__ import annotations

from pathlib import Path

import msgspec
import numpy as np
import polars as pl
from loop_stream import carry_out

import everloop as el
from everloop.loop.loop import loop_of
from everloop.loop.project import Project
from everloop.loop.recipe import changes, read_recipe
from everloop.loop.steps._again import found_trial
from everloop.loop.steps.reproduce import end_of
from everloop.train.search import blending


def searched(
    folder: Path, trials: int, ensemble: bool = False, **train: object
) -> tuple[Project, dict]:
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
            "ensemble": ensemble,
            **train,
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


def test_a_run_is_reproduced_and_what_has_changed_is_named(tmp_path):
    project, result = searched(tmp_path, 3)
    with project:
        loop = loop_of(project, "xor")
        same = carry_out(project, loop.reproduce(result["run"], wait=False))
        assert same.verdict == "reproduced", same.reason
        assert "differ by 0 at most" in same.reason
        made = read_recipe(project, result["run"])
        assert made is not None and made.seed == 0 and made.command
        older = made.environment | {"package scikit-learn": "0.1"}
        then = msgspec.structs.replace(made, environment=older, commit="f" * 40)
        assert changes(then, made) == [
            f"commit {'f' * 40} then, {made.commit} now",
            f"package scikit-learn 0.1 then, {made.environment['package scikit-learn']} now",
        ]
        diff = "diff --git a/mine.py b/mine.py\n+x = 1\n"
        assert changes(msgspec.structs.replace(made, diff=diff), made)[0].endswith(": mine.py")


def test_a_trial_that_was_stopped_early_is_reproduced_as_far(tmp_path, monkeypatch):
    def stopped_early(context, number):
        trial = found_trial(context, number)
        return msgspec.structs.replace(trial, state="pruned", steps=trial.steps[:2])

    project, _ = searched(tmp_path, 1, candidates=["lightgbm"], validation={"kind": "holdout"})
    monkeypatch.setattr("everloop.loop.steps.reproduce.found_trial", stopped_early)
    with project:
        (trial,) = project.runs.search(None, "tags.trial IS NOT NULL", [], limit=50).items
        again = carry_out(project, loop_of(project, "xor").reproduce(trial.id, wait=False))
        assert again.verdict == "reproduced", again.reason
        # What it was stopped by is no value of the metric that decides.
        assert "lightgbm had step_score -0." in again.reason


def test_each_candidate_and_each_trial_is_reproduced_by_its_scores(tmp_path, monkeypatch):
    monkeypatch.setattr(blending, "GAIN", 2.0)  # the ensemble is not the one that is chosen
    project, result = searched(tmp_path, 3, ensemble=True)
    with project:
        loop = loop_of(project, "xor")
        table = {c["algorithm"]: c["run"] for c in result["candidates"][1:]}
        mixed = carry_out(project, loop.reproduce(table.pop("ensemble"), wait=False))
        assert mixed.verdict == "failed" and "reproduce those" in mixed.reason
        others = list(table.values())
        trials = project.runs.search(None, "tags.trial IS NOT NULL", [], limit=50).items
        assert len(others) == 2 and len(trials) == 3
        for run in [*others, *(trial.id for trial in trials)]:
            again = carry_out(project, loop.reproduce(run, wait=False))
            assert again.verdict == "reproduced", again.reason
            assert "no model of this" in again.reason
        stranger = project.runs.start("xor", "mine", {})
        refused = carry_out(project, loop.reproduce(stranger, wait=False))
        assert refused.verdict == "refused" and "a run that a cycle made" in refused.reason
        (study,) = (tmp_path / ".everloop/studies").glob("*.jsonl")
        study.unlink()
        gone = carry_out(project, loop.reproduce(trials[0].id, wait=False))
        assert gone.verdict == "failed" and "its file is gone" in gone.reason


def test_another_model_is_told_with_what_has_changed():
    model = {"kind": "model", "algorithm": "ridge", "metric": "rmse", "then": 1.0, "rows": 50}
    end = end_of(
        model | {"now": 1.1, "largest_difference": 0.2, "changed": ["python 3.11 then, 3.12 now"]}
    )
    assert end.verdict == "differs" and end.reason.endswith("Python 3.11 then, 3.12 now.")
    alike = model | {"now": 1.0, "changed": []}
    assert end_of(alike | {"largest_difference": 1e-9}).verdict == "reproduced"
    assert end_of(alike | {"largest_difference": 1e-3}).verdict == "differs"
    assert "was freed" in end_of(alike).reason
    twins = alike | {"largest_difference": 0.0, "served": {"rows": 60, "largest_difference": 1.0}}
    assert end_of(twins).reason.startswith("Another served model came out: the tested model has")
    freed = end_of(twins | {"served": {"rows": 60}})
    assert freed.verdict == "reproduced" and "60 rows, the model of then was freed" in freed.reason
    trial = {"kind": "trial", "algorithm": "ridge", "metric": "rmse", "changed": []}
    failed = end_of(trial | {"then": None, "now": None})
    assert failed.verdict == "reproduced" and "for the same reason" in failed.reason
    assert end_of(trial | {"then": None, "now": 1.0, "error": None}).verdict == "differs"
