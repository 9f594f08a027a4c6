"""A loop whose model goes on learning: a new version of the pool when a day's labels are in."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from loop_stream import Traffic, carry_out, declaration, rows, write_rows

from everloop.loop.answers import PackagedModel
from everloop.loop.cycles import Cycle
from everloop.loop.loop import Loop, declare
from everloop.loop.project import Project
from everloop.loop.watching import look
from everloop.registry.models import ModelVersion

SMALL = {"n_estimators": 10, "num_leaves": 7}
POOL = declaration(
    train={"candidates": ["lightgbm"], "space": {"lightgbm": SMALL}},
    evaluate={"gates": ["accuracy >= 0"]},
    update={"when": ["every 1d"], "method": "pool"},
)


def test_each_day_makes_the_pool_a_new_version(tmp_path: Path) -> None:
    write_rows(tmp_path)
    loop = declare(tmp_path, POOL)
    with loop.project as project:
        assert carry_out(project, loop.run(wait=False)).verdict == "promoted"
        traffic = Traffic(project)
        traffic.day(0)
        first, second = (_day(loop, traffic, day) for day in (1, 2))
        told = [_told(project, cycle) for cycle in (first, second)]
        assert [facts["full_fit"] for facts in told] == [True, False]
        assert [facts["windows"] for facts in told] == [0, 1]
        assert told[1]["rows_of_last_fit"] == told[0]["rows_of_last_fit"]
        champion = _champion(project)
        assert champion.version == 3 and champion.algorithm == "lightgbm"
        assert {"pool/pool.json", "pool/trees0.txt"} <= set(champion.files)
        assert "pool/trees1.txt" not in champion.files
        _has_learned(project, champion)
        assert champion.run is not None
        again = carry_out(project, loop.reproduce(champion.run, wait=False))
        assert again.verdict == "reproduced", again.reason
        _is_tried_by_auto(loop, traffic)


def _is_tried_by_auto(loop: Loop, traffic: Traffic) -> None:
    """The world turns back; the pool learns it from a few rows, and no fit is taken."""
    for day in (3, 4, 5, 6):
        traffic.day(day)
    loop.monitor()
    cycle = carry_out(loop.project, loop.update(method="auto", wait=False))
    step = loop.project.cycles.step(cycle.id, "probe")
    assert step is not None and step.result is not None, cycle.reason
    tried = {one["method"]: one for one in step.result["tried"]}
    assert (tried["pool"]["gain"] or 0) > 0.2, {k: v["note"] for k, v in tried.items()}
    assert "incremental" in tried and "retrain" in tried


def _day(loop: Loop, traffic: Traffic, day: int) -> Cycle:
    """The world turns on the first day; the labels of a day come, and the loop looks."""
    traffic.day(day, turned=True)
    cycle = look(loop.project, loop.declaration, actor="controller").cycle
    assert cycle is not None
    ended = carry_out(loop.project, cycle)
    assert ended.verdict == "promoted", ended.reason
    return ended


def _told(project: Project, cycle: Cycle) -> dict[str, object]:
    step = project.cycles.step(cycle.id, "train")
    assert step is not None and step.result is not None
    facts: dict[str, object] = step.result["pool"]
    return facts


def _champion(project: Project) -> ModelVersion:
    found = project.champion("flow")
    assert found is not None
    return found


def _has_learned(project: Project, champion: ModelVersion) -> None:
    """The turned world is what it answers for, though ten old days are in every full fit."""
    frame = rows(np.random.default_rng(7), 9, 300, False, True)
    right = []
    for version in (project.registry.version("flow", 1), champion):
        answers = PackagedModel(*project.package(version)).answers(frame)
        right.append(float((answers.pred == frame["y"].to_numpy()).mean()))
    assert right[1] > right[0] + 0.3, right
