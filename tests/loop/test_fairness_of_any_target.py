"""Groups of a target that is not binary, as a cycle, the verbs and windows with labels say them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
from click.testing import CliRunner
from loop_stream import carry_out

from everloop.cli.decision import command as decision
from everloop.cli.fairness import command as fairness
from everloop.cli.report import command as report_verb
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.report.html import read_report
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.judging import judging_of
from everloop.loop.loop import load
from everloop.loop.reports import cycle_report

ROWS = 400
LOOP = """
[loop]
name = "wages"
[data]
source = "wages.parquet"
target = "wage"
ignore = ["sex"]
[train]
candidates = ["ridge"]
[evaluate]
holdout = 0.5
sensitive = ["sex"]
gates = ["mae gap by sex, place <= 0.1, else pass"]
"""


def wages() -> pl.DataFrame:
    rng = np.random.default_rng(0)
    sex = rng.choice(["f", "m"], ROWS)
    years = rng.uniform(0, 40, ROWS)
    wage = 10 + years + rng.normal(0, 1, ROWS) * np.where(sex == "m", 6.0, 1.0)
    place = rng.choice(["p", "q"], ROWS)
    return pl.DataFrame({"years": years, "place": place, "sex": sex, "wage": wage})


def test_a_cycle_compares_groups_of_numbers_and_the_verbs_show_them(tmp_path: Path) -> None:
    wages().write_parquet(tmp_path / "wages.parquet")
    (tmp_path / "everloop.toml").write_text(LOOP)
    loop = load(tmp_path / "everloop.toml")
    with loop.project:
        cycle = carry_out(loop.project, loop.run(wait=False))
        report = read_report(cycle_report(loop.project, cycle.id))
        step = loop.project.cycles.step(cycle.id, "evaluate")
    assert [f.columns for f in report.fairness] == [["sex"], ["place"], ["sex", "place"]]
    mae = next(gap for gap in report.fairness[0].gaps if gap.metric == "mae")
    assert (mae.highest, mae.lowest) == ("m", "f") and mae.low > 0
    assert step is not None and step.result is not None
    gate = step.result["gates"][0]
    both = next(gap for gap in report.fairness[2].gaps if gap.metric == "mae")
    assert gate["verdict"] == "fail" and abs(gate["value"] - both.value) < 1e-9

    run, at = CliRunner(), ["--dir", str(tmp_path)]
    shown = run.invoke(fairness, ["sex", *at])
    assert shown.exit_code == 0 and "mae: m and f are" in shown.output
    assert "only a binary target says" in shown.output
    told = json.loads(run.invoke(fairness, ["sex", *at, "--json"]).output)
    assert told["candidates"] == [] and told["fairness"]["gaps"][1]["metric"] == "mae"
    page = tmp_path / "page.html"
    shown = run.invoke(report_verb, ["--cycle", "1", "--out", str(page), *at])
    assert "The report of cycle 1 is in" in shown.output and "furthest apart" in page.read_text()
    shown = run.invoke(report_verb, ["1", "--cycle", "1", *at])
    assert isinstance(shown.exception, InvalidInput) and "not both" in str(shown.exception)
    shown = run.invoke(decision, ["1", *at])
    assert shown.exit_code == 0 and "sex: mae" in shown.output
    assert "selection ratio" not in shown.output


def test_a_window_with_labels_compares_groups_of_classes() -> None:
    schema = Schema((Feature("sex", "category", ("f", "m")),), "y", "multiclass", ("a", "b", "c"))
    rng = np.random.default_rng(1)
    frame = pl.DataFrame({"sex": rng.choice(["f", "m"], ROWS)})
    y = rng.integers(0, 3, ROWS)
    pred = np.where(frame["sex"].to_numpy() == "m", y, 0)
    judging = judging_of(EvaluateSpec(gates=(), sensitive=("sex",)), schema, None, {})
    assert judging.promises is not None
    found = judging.promises(frame, y, pred, None)["fairness"][0]
    assert found["columns"] == ["sex"]
    assert (found["gaps"][0]["highest"], found["gaps"][0]["lowest"]) == ("m", "f")
