"""Updates of a model that is served other than it was tested: both lines of models go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from loop_stream import Traffic, carry_out, declaration, rows

from everloop.deploy.package import TESTED
from everloop.loop.answers import PackagedModel
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.train.state.events import FILE, Kept
from everloop.train.state.keeping import resumable


def refitted(project: Project, name: str, **sections: Any) -> Loop:
    """A loop whose champion was fitted on all rows once its twin was tested."""
    said = {"train": {"candidates": [name], "refit": "all"}, **sections}
    first = declaration(**{**said, "evaluate": {"gates": []}})
    project.cycles.save_loop(first, actor="t")
    cycle = carry_out(project, Loop(project, first).run(wait=False))
    assert cycle.verdict == "promoted", cycle.reason
    project.cycles.save_loop(declaration(**said), actor="t")
    return Loop(project, project.cycles.declaration("flow"))


def updated(loop: Loop, method: str) -> tuple[Cycle, dict[str, Any]]:
    loop.monitor()
    begun = loop.update(method=method, wait=False)
    assert isinstance(begun, Cycle)
    cycle = carry_out(loop.project, begun)
    assert cycle.verdict == "promoted", cycle.reason
    found = loop.project.cycles.step(cycle.id, "train")
    assert found is not None and found.result is not None
    return cycle, found.result


def events(folder: Path) -> int:
    known = msgspec.msgpack.decode((folder / "state" / FILE).read_bytes(), type=Kept)
    return known.events


def test_what_is_served_learns_on_with_the_rows_that_its_twin_is_tested_by(
    project: Project,
) -> None:
    loop = refitted(project, "online_logistic_regression", update={"forget": 1.0})
    traffic = Traffic(project)
    folder, _ = project.package(loop.version())
    assert (events(folder), events(folder / TESTED)) == (3_000, 2_400)
    for day in range(4):
        traffic.day(day, turned=True)
    cycle, trained = updated(loop, "incremental")
    assert trained["learned"]["new"] == 800  # the other 800 test it
    assert any("of the rows that tested this one too: Version 2 learned on from 1,600 new" in n
               for n in trained["notes"])  # fmt: skip
    champion = project.champion("flow")
    assert champion is not None and champion.version == cycle.version
    folder, _ = project.package(champion)
    assert (events(folder), events(folder / TESTED)) == (3_000 + 1_600, 2_400 + 800)
    again = carry_out(project, loop.reproduce(trained["run"], wait=False))
    assert again.verdict == "reproduced" and "of the served one" in again.reason, again.reason


@pytest.mark.parametrize("method", ["calibrate", "threshold"])
def test_another_last_touch_is_put_behind_what_is_served(project: Project, method: str) -> None:
    metric = "log_loss" if method == "calibrate" else "accuracy"
    loop = refitted(project, "logistic_regression", evaluate={"metric": metric})
    traffic = Traffic(project)
    for day in range(4):
        frame = rows(traffic.rng, day, 400, False, False)
        x = frame["x"].to_numpy()
        traffic.send(frame.with_columns(y=x + traffic.rng.normal(0, 0.5, len(x)) + 1.2 > 0))
    before, _ = project.package(loop.version())
    cycle, _ = updated(loop, method)
    after, _ = project.package(project.registry.version("flow", cycle.version))
    served, tested = (resumable(place).model.coef_ for place in (before, before / TESTED))
    assert not np.allclose(served, tested)
    np.testing.assert_allclose(resumable(after).model.coef_, served)
    np.testing.assert_allclose(resumable(after / TESTED).model.coef_, tested)
    graph, _ = project.package(project.registry.version("flow", cycle.version))
    frame = rows(np.random.default_rng(5), 9, 200, False, False)
    version = project.registry.version("flow", cycle.version)
    assert graph == after and version.tags["fitted_on"].startswith("4,")
    answers = PackagedModel(*project.package(version)).answers(frame)
    twin = PackagedModel.tested(*project.package(version)).answers(frame)
    assert answers.proba is not None and twin.proba is not None
    assert not np.allclose(answers.proba, twin.proba)
