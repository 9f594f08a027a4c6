"""Each method of updating in a real cycle: what it makes, and what it leaves as it is."""

from __future__ import annotations

from html import unescape
from typing import Any

import numpy as np
import polars as pl
import pytest
from click.testing import CliRunner
from loop_stream import T0, Traffic, carry_out, declaration, rows

from everloop.cli import command_of
from everloop.console.loops.cycle import read_cycle
from everloop.console.models.version import read_version
from everloop.console.render import render
from everloop.data.encode import encode
from everloop.errors import InvalidInput, NotFound
from everloop.loop.answers import PackagedModel
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.monitor.spans import DAY
from everloop.train.state.keeping import resumable


@pytest.fixture
def traffic(project: Project) -> Traffic:
    return Traffic(project)


def updated(project: Project, **how: Any) -> Cycle:
    """A cycle by hand after days of traffic."""
    sections = how.pop("sections", {})
    project.cycles.save_loop(declaration(**sections), actor="t")
    loop = Loop(project, project.cycles.declaration("flow"))
    loop.monitor()
    begun = loop.update(wait=False, **how)
    assert isinstance(begun, Cycle)
    return carry_out(project, begun)


def result(project: Project, cycle: Cycle, step: str) -> dict[str, Any]:
    found = project.cycles.step(cycle.id, step)
    assert found is not None and found.result is not None
    return found.result


def commoner(traffic: Traffic, days: range, shift: float = 1.2) -> None:
    """The same ``x``, but the answer is yes more often: another base rate."""
    for day in days:
        frame = rows(traffic.rng, day, 400, False, False)
        noise = traffic.rng.normal(0, 0.5, frame.height)
        traffic.send(frame.with_columns(y=pl.Series(frame["x"].to_numpy() + noise + shift > 0)))


def test_calibrate_changes_the_probabilities_alone(project: Project, traffic: Traffic) -> None:
    commoner(traffic, range(4))
    sections = {"evaluate": {"metric": "log_loss"}}
    cycle = updated(project, method="calibrate", sections=sections)
    assert cycle.verdict == "promoted", cycle.reason
    trained = result(project, cycle, "train")
    assert trained["algorithm"] == "logistic_regression"
    assert trained["method"]["base"] == 1 and trained["prepared"]["rows"] >= 400
    snapshot = result(project, cycle, "snapshot")
    assert "new to version 1" in snapshot["split"]
    frame = rows(np.random.default_rng(5), 9, 200, False, False)
    old, new = (
        PackagedModel(*project.package(project.registry.version("flow", n))).answers(frame).proba
        for n in (1, 2)
    )
    assert old is not None and new is not None
    assert new[:, 1].mean() > old[:, 1].mean() + 0.1
    order = np.argsort(old[:, 1], kind="stable")
    assert np.all(np.diff(new[order, 1]) >= -1e-9)
    folder, package = project.package(project.registry.version("flow", 2))
    known = resumable(folder)  # what the parent kept, with the map behind it
    learned = known.estimator(known.model).predict_proba(encode(frame, package.schema))
    assert known.tail.method and np.allclose(learned, new, atol=1e-6)
    again = carry_out(project, Loop(project, declaration()).reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason


def test_threshold_moves_answers_and_not_probabilities(project: Project, traffic: Traffic) -> None:
    commoner(traffic, range(4))
    cycle = updated(project, method="threshold")
    assert cycle.verdict == "promoted", cycle.reason
    frame = rows(np.random.default_rng(5), 9, 200, False, False)
    old, new = (
        PackagedModel(*project.package(project.registry.version("flow", n))).answers(frame)
        for n in (1, 2)
    )
    assert old.proba is not None and new.proba is not None
    assert np.allclose(old.proba, new.proba)
    cut = result(project, cycle, "train")["prepared"]["threshold"]
    assert cut < 0.3
    assert np.array_equal(new.pred, (new.proba[:, 1] >= cut).astype(np.int64))


def test_the_old_world_returns_and_so_does_its_version(project: Project, traffic: Traffic) -> None:
    for day in range(3):
        traffic.day(day, turned=True)
    first = updated(project, window="newest 2d")
    assert first.verdict == "promoted", first.reason
    noted = result(project, first, "train")["notes"][0]
    assert 'window "newest 2d"' in noted and "rows train, from 2013-01-0" in noted
    for day in range(3, 7):
        traffic.day(day)
    none = updated(project, method="rollback")
    assert none.verdict == "promoted" and none.version == 1, none.reason
    assert [v.version for v in project.registry.versions("flow")] == [2, 1]
    champion = project.champion("flow")
    assert champion is not None and champion.version == 1
    asked = result(project, none, "train")["asked"]
    assert [one["version"] for one in asked] == [1] and asked[0]["low"] > 0.05
    assert result(project, none, "register")["proposed"]
    again = updated(project, method="switch")
    assert again.verdict == "not_worth_it", again.reason


def test_rows_that_the_champion_knows_by_its_window_are_counted(
    project: Project, traffic: Traffic
) -> None:
    for day in range(3):
        traffic.day(day, turned=True)
    first = updated(project, window="newest 2d")
    assert first.verdict == "promoted", first.reason
    assert "was fitted on" not in str(result(project, first, "evaluate")["notes"])
    second = updated(project, method="retrain", window="all")
    snapshot = result(project, second, "snapshot")
    (said,) = [n for n in result(project, second, "evaluate")["notes"] if "was fitted on" in n]
    held = snapshot["rows"] - snapshot["train_rows"]
    assert said.startswith("Version 2 was fitted on ") and f"of these {held:,} held-out" in said


def test_a_window_begins_where_the_loss_changed(project: Project, traffic: Traffic) -> None:
    for day in range(3):
        traffic.day(day)
    for day in range(3, 8):
        traffic.day(day, turned=True)
    cycle = updated(project, window="change", search="warm")
    assert cycle.verdict == "promoted", cycle.reason
    trained = result(project, cycle, "train")
    since = result(project, cycle, "snapshot")["window"]["since"]
    assert abs(since - (T0 + 3 * DAY)) < DAY / 4
    assert trained["study"] and trained["algorithm"] == "logistic_regression"
    again = carry_out(project, Loop(project, declaration()).reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason


def test_what_is_not_sound_is_refused_before_rows_are_read(
    project: Project, traffic: Traffic
) -> None:
    traffic.day(0)
    sections = {"evaluate": {"metric": "roc_auc"}}
    for method in ("threshold", "calibrate"):
        cycle = updated(project, method=method, sections=sections)
        assert cycle.verdict == "refused" and "roc_auc" in str(cycle.reason), cycle.reason
    few = updated(project, method="threshold")
    assert few.verdict == "not_worth_it", few.reason


def test_auto_takes_the_threshold_where_a_fit_brings_no_more(
    project: Project, traffic: Traffic
) -> None:
    commoner(traffic, range(7), shift=0.8)
    cycle = updated(project, method="auto")
    probe = result(project, cycle, "probe")
    tried = {one["method"]: one for one in probe["tried"]}
    assert set(tried) == {"switch", "threshold", "calibrate", "incremental", "retrain"}
    assert "more than update.forget (0.01)" in tried["incremental"]["note"]
    assert tried["switch"]["note"] == "no other stored version could serve"
    assert [m for m, one in tried.items() if one["chosen"]] == ["threshold"], probe["tried"]
    assert tried["threshold"]["low"] > 0 and tried["retrain"]["gain"] > 0
    assert "within the noise" in probe["method"]["why"] or "the most" in probe["method"]["why"]
    assert cycle.verdict == "promoted", cycle.reason
    assert result(project, cycle, "train")["method"]["name"] == "threshold"
    shown = CliRunner().invoke(
        command_of("history"), [str(cycle.number), "--dir", str(project.dir)]
    )
    assert shown.exit_code == 0, shown.output
    assert "no other stored version could serve" in " ".join(shown.output.split())
    assert "threshold" in shown.output and "taken" in shown.output
    html = render("cycle.html", page=read_cycle(project, cycle.id))
    assert probe["method"]["why"] in unescape(html)
    assert "How the model is made" in html and "no other stored version could serve" in html


def fitted(project: Project, sections: dict[str, Any]) -> None:
    """A champion of another algorithm, whatever the gates say of it."""
    said = declaration(**{"evaluate": {"gates": []}, **sections})
    project.cycles.save_loop(said, actor="t")
    cycle = carry_out(project, Loop(project, said).run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason


def apart(traffic: Traffic, days: range) -> None:
    """Rows of a region of ``x`` that was rare before, where the answer is another."""
    for day in days:
        frame = rows(traffic.rng, day, 400, False, False)
        z = traffic.rng.normal(0, 1, frame.height) + 4
        y = pl.Series(traffic.rng.normal(0, 0.5, frame.height) < 2 + frame["x"].to_numpy())
        traffic.send(frame.with_columns(z=pl.Series(z), y=y))


def test_incremental_learns_on_and_is_judged_on_old_rows_too(
    project: Project, traffic: Traffic
) -> None:
    sections = {"train": {"candidates": ["lightgbm"]}}
    fitted(project, sections)
    apart(traffic, range(4))
    cycle = updated(project, method="incremental", sections=sections)
    assert cycle.verdict == "promoted", cycle.reason
    trained = result(project, cycle, "train")
    learned = trained["learned"]
    assert learned["new"] == 800 and learned["updates"] == 1
    assert learned["tried"][learned["way"]]["loss"] < 0.7 * learned["tried"]["as it was"]["loss"]
    assert trained["parent"] == "flow/2"
    gate = result(project, cycle, "evaluate")["gates"][-1]
    assert gate["gate"] == (
        "accuracy on the rows that tested version 2 not worse than champion by 0.01"
    )
    assert gate["verdict"] == "pass" and "600 rows" in gate["detail"]
    folder, package = project.package(project.registry.version("flow", 3))
    assert package.parent == "flow/2"
    assert {p.name for p in (folder / "state").iterdir()} == {
        "front.onnx", "state.json", "trees.txt",
    }  # fmt: skip
    again = carry_out(project, Loop(project, declaration()).reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason


def test_what_was_learned_before_is_not_given_up(project: Project, traffic: Traffic) -> None:
    apart(traffic, range(4))  # which one line cannot tell beside the old rows
    cycle = updated(project, method="incremental")
    assert cycle.verdict == "not_worth_it"
    assert "Old rows (on the rows that tested version 1)" in str(cycle.reason)
    assert result(project, cycle, "train")["parent"] == "flow/1"


def test_a_version_without_state_is_fitted_anew(project: Project, traffic: Traffic) -> None:
    commoner(traffic, range(3))
    sections = {"train": {"candidates": ["decision_tree"]}}
    fitted(project, sections)
    commoner(traffic, range(3, 6))
    cycle = updated(project, method="incremental", sections=sections)
    method = result(project, cycle, "train")["method"]
    assert method["name"] == "retrain"
    assert method["why"].startswith("A new fit in place of incremental: decision_tree cannot go on")


def test_training_starts_from_a_registered_version(project: Project) -> None:
    rng = np.random.default_rng(3)
    table = rows(rng, 0, 100, False, False).drop("z").with_columns(w=pl.lit(1.0))
    table.write_csv(project.dir / "branch.csv")
    said = declaration("branch", data={"source": "branch.csv"}, train={"base": "flow/1"})
    project.cycles.save_loop(said, actor="t")
    cycle = carry_out(project, Loop(project, said).train(wait=False))
    assert cycle.version == 1, cycle.reason
    trained = result(project, cycle, "train")
    told = trained["transfer"]
    assert set(told["losses"]) == {"its rows, weighted", "from nothing"}
    assert told["way"] == "its rows, weighted" and trained["parent"] == "flow/1"
    assert project.package(project.registry.version("branch", 1))[1].parent == "flow/1"
    again = carry_out(project, Loop(project, said).reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason
    html = render("version.html", page=read_version(project, "branch", 1))
    assert "made from" in html and "/models/flow/versions/1" in html
    with pytest.raises(NotFound):
        Loop(project, said).train(base="flow/9", wait=False)
    own = declaration(train={"base": "flow/1"})
    project.cycles.save_loop(own, actor="t")
    few = carry_out(project, Loop(project, own).train(wait=False))
    assert few.verdict == "not_worth_it" and "version 1 has not seen" in str(few.reason)
    with pytest.raises(InvalidInput, match=r"train\.base"):
        Loop(project, said).train(base="flow", wait=False)


def test_a_version_of_the_same_loop_is_judged_by_rows_that_it_has_not_seen(
    project: Project, traffic: Traffic
) -> None:
    sections = {"train": {"candidates": ["lightgbm"]}, "update": {"forget": 0.05}}
    fitted(project, sections)
    apart(traffic, range(4))
    asked = updated(project, method="auto", sections=sections)
    tried = {one["method"]: one for one in result(project, asked, "probe")["tried"]}
    assert (tried["incremental"]["gain"] or 0) > 0.05, (asked.reason, tried["incremental"]["note"])
    loop = Loop(project, project.cycles.declaration("flow"))
    cycle = carry_out(project, loop.train(base="flow/2", wait=False))
    assert cycle.version == 4, cycle.reason
    snapshot = result(project, cycle, "snapshot")
    assert "new to version 2" in snapshot["split"] and snapshot["test_rows"] == 800
    assert set(result(project, cycle, "train")["transfer"]["losses"]) == {
        "its trees", "from nothing",
    }  # fmt: skip
