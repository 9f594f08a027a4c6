"""A cycle makes a report: in the package, with the run, through the API, the verb and HTTP."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from loop_stream import carry_out, declaration, write_rows

from everloop.cli.report import command
from everloop.errors import InvalidInput, NotFound
from everloop.evaluate.report.html import read_report
from everloop.loop import reporting
from everloop.loop.loop import Loop, declare
from everloop.loop.project import Project
from everloop.loop.reports import cycle_report
from everloop.tracking.artifacts.paths import join, key_of


def test_the_champion_has_a_report_of_what_its_cycle_measured(loop: Loop) -> None:
    report = read_report(loop.report())
    tested = loop.project.cycles.step(loop.version().cycle or "", "evaluate")
    assert tested is not None and tested.result is not None
    assert report.left_out == []
    assert report.tested["metrics"] == tested.result["metrics"]
    assert report.importances[0].feature == "x"
    assert report.shapley is not None and report.shapley.sizes[0][0] == "x"
    assert report.training is not None and report.training.candidates
    assert report.data is not None and report.data.train_rows
    assert loop.report(kind="html").startswith(b"<!doctype html>")
    assert loop.report(kind="card").startswith(b"# Model card: flow")


def test_the_run_holds_the_same_files(project: Project, loop: Loop) -> None:
    run = project.runs.get(loop.version().run or "")
    folder = join(key_of(run.location), "report")
    names = {entry.name: entry.digest for entry in project.artifacts.list(folder).items}
    assert names["report.html"] == loop.version().files["report.html"]
    assert set(names) == {"report.html", "report.json", "model_card.md"}


def test_the_verb_writes_the_page_and_prints_the_twin(folder: Path, tmp_path: Path) -> None:
    page = tmp_path / "r.html"
    done = CliRunner().invoke(command, ["1", "--dir", str(folder), "--out", str(page)])
    assert done.exit_code == 0 and page.read_bytes().startswith(b"<!doctype html>")
    twin = CliRunner().invoke(command, ["--dir", str(folder), "--json"])
    assert json.loads(twin.output)["model"] == "flow"


def test_what_is_not_there_is_said(loop: Loop) -> None:
    with pytest.raises(InvalidInput, match="html, json, card"):
        loop.report(kind="pdf")  # type: ignore[arg-type]
    with pytest.raises(NotFound):
        loop.report(99)


@pytest.fixture
def refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Loop:
    write_rows(tmp_path)
    return declare(tmp_path, declaration(evaluate={"gates": ["accuracy >= 0.999"]}))


def test_a_refused_model_has_a_report_too(refused: Loop) -> None:
    with refused.project as project:
        ended = carry_out(project, refused.run(wait=False))
        assert ended.verdict == "rejected"
        report = read_report(cycle_report(project, ended.id))
        assert report.verdict == "rejected" and report.tested["gates"][0]["verdict"] == "fail"


def test_a_report_that_cannot_be_made_costs_the_cycle_nothing(
    refused: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no report today")

    monkeypatch.setattr(reporting, "_report", broken)
    with refused.project as project:
        ended = carry_out(project, refused.run(wait=False))
        assert ended.verdict == "rejected"
        with pytest.raises(NotFound, match="made no report"):
            cycle_report(project, ended.id)


def test_shapley_values_are_those_of_the_library_where_it_is_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_rows(tmp_path)
    loop = declare(tmp_path, declaration(evaluate={"explain": "shap"}))
    with loop.project as project:
        carry_out(project, loop.run(wait=False))
        found = read_report(loop.report()).shapley
        assert found is not None and found.explainer == "shap.LinearExplainer"
        assert found.rows == 200 and found.of == "the log-odds of the probability that y is True"
        assert found.sizes[0][0] == "x" and len(found.swarms[0].values) == 200
        assert b"shap.LinearExplainer" in loop.report(kind="html")
        monkeypatch.setitem(sys.modules, "shap", None)  # as where the extra is not installed
        without = carry_out(project, loop.run(wait=False))
        found = read_report(cycle_report(project, without.id)).shapley
        assert found is not None and found.explainer.startswith("our own estimate")
        assert found.note.endswith('pip install "everloop[explain]".')
