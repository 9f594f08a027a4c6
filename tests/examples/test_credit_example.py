"""The credit example as its README says: real loans, judged by groups that the model never sees."""

from __future__ import annotations

import shutil
from pathlib import Path

import polars as pl

import everloop as el
from cycling import carry_out

EXAMPLE = Path(__file__).parents[2] / "examples" / "credit"


def test_loans_are_judged_by_groups_the_model_does_not_see(tmp_path: Path) -> None:
    shutil.copy(EXAMPLE / "everloop.toml", tmp_path)
    loans = el.datasets.credit()
    assert loans.height == 1_000 and loans["paid_back"].sum() == 700
    assert loans["sex"].value_counts().sort("sex").rows() == [("female", 310), ("male", 690)]
    loans.write_parquet(tmp_path / "credit.parquet")
    loop = el.load(tmp_path / "everloop.toml")
    with loop.project as project:
        cycle = carry_out(project, loop.run(wait=False))
        tested = project.cycles.step(cycle.id, "evaluate")
        assert tested is not None and tested.result is not None
        gates = {gate["gate"]: gate for gate in tested.result["gates"]}
        assert gates["roc_auc >= 0.7"]["verdict"] == "pass"
        by_sex = gates["selection_rate_ratio by sex >= 0.8"]
        assert 0.5 < by_sex["low"] < by_sex["value"] < by_sex["high"]
        assert cycle.verdict in ("promoted", "rejected"), cycle.reason
        trained = project.cycles.step(cycle.id, "snapshot")
        assert trained is not None and trained.result is not None
        names = [f["name"] for f in trained.result["schema"]["features"]]
        assert "sex" not in names and "age_group" not in names and "age" in names


def test_the_archive_holds_what_is_said_of_it() -> None:
    loans = el.datasets.credit()
    assert loans["loan"].n_unique() == 1_000
    assert loans.null_count().sum_horizontal().item() == 0
    young = loans.filter(pl.col("age") < 26)
    assert (young["age_group"] == "under 26").all() and young.height == 190
