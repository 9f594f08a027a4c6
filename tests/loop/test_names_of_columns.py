"""Columns that are called as our own code might call its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
from loop_stream import carry_out

from everloop.evaluate.report.html import read_report
from everloop.loop.classic import declare_classic
from everloop.loop.declaration import from_dict
from everloop.loop.loop import declare
from everloop.loop.project import Project

NAMES = ("n", "count", "value", "level", "row", "index", "len", "X", "y_pred")


def rows(target: str) -> pl.DataFrame:
    rng = np.random.default_rng(0)
    columns = {name: rng.choice(["a", "b", "c"], 2_400) for name in NAMES if name != target}
    first = next(iter(columns.values())) == "a"
    return pl.DataFrame({**columns, target: (first + rng.normal(0, 0.3, 2_400) > 0.5).astype(int)})


def test_a_column_may_be_called_like_a_count(tmp_path: Path) -> None:
    rows("proportion").write_csv(tmp_path / "rows.csv")
    told = {
        "loop": {"name": "names"},
        "data": {"source": "rows.csv", "target": "proportion"},
        "train": {"candidates": ["logistic_regression"]},
        "evaluate": {"gates": ["accuracy in worst 3 slices >= 0.1"], "sensitive": ["n", "count"]},
    }
    loop = declare(tmp_path, from_dict(told).declaration)
    with loop.project:
        ended = carry_out(loop.project, loop.run(wait=False))
        assert ended.verdict == "promoted", ended.reason
        report = read_report(loop.report(1, "json"))
    assert report.left_out == []
    assert [one.columns for one in report.fairness] == [["n"], ["count"], ["n", "count"]]


def test_a_target_may_be_called_count(tmp_path: Path) -> None:
    data = tmp_path / "rows.csv"
    rows("count").write_csv(data)
    with Project.open(tmp_path) as project:
        declared = declare_classic(
            project, data, name="names", target="count", search={"timeout": "10s"}
        )
    assert declared.train.validation.kind == "stratified"
