"""Explaining a registered version: through the API and the verb."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import carry_out, declaration, write_rows

from everloop.cli.explain import command
from everloop.cli.fairness import command as fairness
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.loop.declaration import from_dict
from everloop.loop.explaining import _wanted_class, _wanted_number
from everloop.loop.loop import Loop, declare

ROW = {"x": 2.0, "z": 0.0}


def test_the_feature_that_decides_gets_the_credit(loop: Loop) -> None:
    (one,) = loop.explain([ROW])
    assert one.y_pred is True and one.of is True
    assert one.base + sum(one.contributions.values()) == pytest.approx(one.answer)
    assert one.contributions["x"] > 10 * abs(one.contributions["z"])
    assert loop.explain([ROW]) == [one]  # the same every time


def test_too_many_rows_are_refused(loop: Loop) -> None:
    with pytest.raises(InvalidInput, match="201"):
        loop.explain([ROW] * 201)


def test_the_verb_explains_shows_a_feature_and_finds_a_way_out(
    folder: Path, tmp_path: Path
) -> None:
    rows = tmp_path / "new.csv"
    pl.DataFrame([ROW]).write_csv(rows)

    def said(*arguments: str) -> object:
        done = CliRunner().invoke(command, [*arguments, "--dir", str(folder), "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.output)

    assert said(str(rows))["explanations"][0]["y_pred"] is True  # type: ignore[index]
    mean = said("--feature", "x")["mean"]  # type: ignore[index]
    assert mean == sorted(mean)
    change = said(str(rows), "--change")
    assert change["found"] and [c["feature"] for c in change["changes"]] == ["x"]  # type: ignore[index]
    assert change["of"] is False and change["before"] < change["after"]  # type: ignore[index]
    told = CliRunner().invoke(command, [str(rows), "--change", "--dir", str(folder)])
    assert "The probability of False moves from" in told.output
    kept = said(str(rows), "--change", "--fix", "x")
    assert not kept["found"]  # type: ignore[index]
    shown = CliRunner().invoke(command, [str(rows), "--dir", str(folder)])
    assert shown.exit_code == 0 and "probability of True" in shown.output


def test_a_fairer_version_is_measured_and_not_applied(folder: Path, loop: Loop) -> None:
    found = loop.mitigate(["x"])
    now, thresholds, reweighed = found.candidates
    assert len(found.fairness.groups) == 4 and found.left_out == []
    assert now.cost == 0 and now.ratio is not None and now.ratio < 0.5
    assert thresholds.ratio is not None and thresholds.ratio > now.ratio + 0.3
    assert thresholds.cost > 0.1
    assert reweighed.name == "reweighing" and reweighed.ratio is not None
    shown = CliRunner().invoke(fairness, ["x", "--dir", str(folder)])
    assert shown.exit_code == 0 and "threshold optimiser" in shown.output
    with pytest.raises(InvalidInput, match="group"):
        loop.mitigate(["y2"])


def test_a_change_turns_the_answer_by_the_models_own_threshold(tmp_path: Path) -> None:
    write_rows(tmp_path)
    loop = declare(tmp_path, declaration(train={"threshold": 0.9}, evaluate={"gates": []}))
    with loop.project:
        assert carry_out(loop.project, loop.run(wait=False)).verdict == "promoted"
        row = {"x": -0.5, "z": 0.0}
        found = loop.counterfactual(row)
        assert found.found and found.after > 0.9
        changed = row | {change.feature: change.after for change in found.changes}
        assert loop.predict([row, changed])["y_pred"].to_list() == [False, True]


def test_a_change_reaches_a_class_that_is_a_number(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [i / 50 - 4 for i in range(400)]})
    write = frame.with_columns(z=pl.col("x").sin(), y=(pl.col("x") > 0).cast(int))
    write.sample(fraction=1, shuffle=True, seed=0).write_csv(tmp_path / "numbers.csv")
    told = {"data": {"source": "numbers.csv", "target": "y"}, "evaluate": {"gates": []}}
    loop = declare(tmp_path, from_dict({"loop": {"name": "numbers"}, **told}).declaration)
    with loop.project:
        assert carry_out(loop.project, loop.run(wait=False)).verdict == "promoted"
        row = {"x": -2.0, "z": -0.9}
        for one in (1, 1.0, "1"):  # as Python, JSON and a command line say it
            found = loop.counterfactual(row, one)
            assert found.found and found.changes
        already = loop.counterfactual(row, 0)
        assert already.found and already.changes == [] and already.distance == 0
        with pytest.raises(InvalidInput, match=r"fixed: got 'xx', expected a feature"):
            loop.counterfactual(row, 1, ["xx"])
        with pytest.raises(InvalidInput, match="one of the classes"):
            loop.counterfactual(row, 2)


def test_a_class_is_told_from_those_that_are_written_alike() -> None:
    classes = ("01", "1", "A", "a", "no")
    schema = Schema((Feature("x", "number"),), "y", "multiclass", classes)
    said = {"01": 0, "1": 1, 1: 1, "A": 2, "a": 3, "NO": 4, "001": 0}
    found = {wanted: _wanted_class(schema, Answers(np.zeros(1)), wanted) for wanted in said}
    assert found == said
    for nothing in ("b", "1.5", float("nan"), None):
        with pytest.raises(InvalidInput, match=r"to: got .*, expected one of the classes"):
            _wanted_class(schema, Answers(np.zeros(1)), nothing)
    assert _wanted_number("2.5") == 2.5
    for wrong in ("", "x", "nan", "1e999", True, None):
        with pytest.raises(InvalidInput, match="a number that the prediction is to reach"):
            _wanted_number(wrong)


def test_a_change_adds_one_of_several_labels(tmp_path: Path) -> None:
    frame = pl.DataFrame({"x": [i / 50 - 4 for i in range(400)]})
    both = pl.when(pl.col("x") > 0).then(pl.lit("red;")).otherwise(pl.lit(";"))
    frame = frame.with_columns(z=(pl.col("x") * 7).sin()).with_columns(
        tags=both + pl.when(pl.col("z") > 0).then(pl.lit("blue")).otherwise(pl.lit(""))
    )
    frame.sample(fraction=1, shuffle=True, seed=0).write_csv(tmp_path / "tags.csv")
    data = {"source": "tags.csv", "target": "tags", "task": "multilabel"}
    told = {"loop": {"name": "tags"}, "data": data, "evaluate": {"gates": []}}
    loop = declare(tmp_path, from_dict(told).declaration)
    with loop.project:
        assert carry_out(loop.project, loop.run(wait=False)).verdict == "promoted"
        row = {"x": 2.0, "z": -0.9}
        found = loop.counterfactual(row, "blue")
        assert found.found and [change.feature for change in found.changes] == ["z"]
        assert loop.counterfactual(row, "red").changes == []  # it has that label
        with pytest.raises(InvalidInput, match=r"to: got <nothing>, expected one of the classes"):
            loop.counterfactual(row)
        assert loop.dependence("x").of == "how many labels are expected"
