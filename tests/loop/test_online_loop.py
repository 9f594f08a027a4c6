"""Cycles whose champion is one of river's learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from loop_stream import Traffic, carry_out, declaration

from everloop.loop.checking import check
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.train.state.events import FILE, Kept
from everloop.train.state.keeping import resumable


@pytest.fixture
def traffic(project: Project) -> Traffic:
    return Traffic(project)


def sections(name: str, forget: float, **more: Any) -> dict[str, Any]:
    return {"train": {"candidates": [name]}, "update": {"forget": forget}, **more}


def begun(project: Project, said: dict[str, Any]) -> Loop:
    """A loop whose champion is of that kind, whatever the gates say of it."""
    first = declaration(**{**said, "evaluate": {"gates": []}})
    project.cycles.save_loop(first, actor="t")
    cycle = carry_out(project, Loop(project, first).run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    project.cycles.save_loop(declaration(**said), actor="t")
    return Loop(project, project.cycles.declaration("flow"))


def updated(loop: Loop, method: str) -> Cycle:
    loop.monitor()
    cycle = loop.update(method=method, wait=False)
    assert isinstance(cycle, Cycle)
    return carry_out(loop.project, cycle)


def result(project: Project, cycle: Cycle, step: str) -> dict[str, Any]:
    found = project.cycles.step(cycle.id, step)
    assert found is not None and found.result is not None
    return found.result


def events(project: Project, version: int) -> int:
    folder, _ = project.package(project.registry.version("flow", version))
    known = msgspec.msgpack.decode((folder / "state" / FILE).read_bytes(), type=Kept)
    assert resumable(folder).model.events_ == known.events
    return known.events


def test_it_learns_the_new_events_is_explained_and_made_again(
    project: Project, traffic: Traffic
) -> None:
    loop = begun(project, sections("online_logistic_regression", 1.0))
    assert events(project, 2) == 2_400  # all that trained it
    for day in range(4):
        traffic.day(day, turned=True)
    cycle = updated(loop, "auto")
    tried = {one["method"]: one for one in result(project, cycle, "probe")["tried"]}
    assert tried["incremental"]["gain"] > 0.2 and tried["incremental"]["chosen"], tried
    assert cycle.verdict == "promoted", cycle.reason
    trained = result(project, cycle, "train")
    assert trained["learned"] == {
        "way": "event by event", "new": 800, "replayed": 0, "updates": 1,
    }  # fmt: skip
    assert trained["notes"] == ["Version 2 learned on from 800 new rows, event by event."]
    champion = project.champion("flow")
    assert champion is not None
    assert events(project, champion.version) == 2_400 + 800
    (one,) = Loop(project, loop.declaration).explain([{"x": 2.0, "z": 0.0}])
    assert one.base + sum(one.contributions.values()) == pytest.approx(one.answer)
    again = carry_out(project, loop.reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced", again.reason


def test_it_is_said_where_nothing_tells_the_order(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("x,y\n" + "".join(f"{i},{i % 2}\n" for i in range(40)))
    said = '[data]\nsource = "a.csv"\ntarget = "y"\n[train]\ncandidates = ["hoeffding_tree"]\n'
    (tmp_path / "everloop.toml").write_text('[loop]\nname = "a"\n' + said)
    assert any("no data.time says in which order" in note for note in check(tmp_path).notes)


def test_what_a_tree_would_forget_is_held_against_it(project: Project, traffic: Traffic) -> None:
    loop = begun(project, sections("hoeffding_adaptive_tree", 0.01))
    first = Loop(project, loop.declaration).explain([{"x": 2.0, "z": 0.0}])
    assert first[0].contributions["x"] > first[0].contributions["z"]
    for day in range(4):
        traffic.day(day, turned=True)
    cycle = updated(loop, "incremental")
    assert cycle.verdict == "not_worth_it", cycle.reason
    gate = result(project, cycle, "evaluate")["gates"][-1]
    assert "the rows that tested version 2" in gate["gate"] and gate["verdict"] == "fail"
