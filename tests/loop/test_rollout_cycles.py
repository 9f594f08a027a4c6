"""Rollouts as cycles carry them out, from the deployment to the promotion."""

from __future__ import annotations

import pytest
from loop_stream import carry_out, running
from rollout_stand import Stand

from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.loop.rollouts import Carrier
from waiting import wait_for


@pytest.fixture
def stand(project: Project) -> Stand:
    return Stand(project)


def test_blue_green_leaves_the_way_back_loaded(project: Project, stand: Stand, loop: Loop) -> None:
    there = carry_out(project, loop.deploy(2, rollout={"kind": "blue_green"}, wait=False))
    assert there.verdict == "promoted", there.reason
    assert stand.arms() == [(2, "champion", 1.0), (1, "standby", 0.0)]
    back = carry_out(project, loop.deploy(1, rollout={"kind": "blue_green"}, wait=False))
    assert back.verdict == "promoted", back.reason
    assert stand.arms() == [(1, "champion", 1.0), (2, "standby", 0.0)]
    assert project.registry.aliases("flow")["champion"] == 1


def test_the_best_of_several_is_promoted(project: Project, stand: Stand, loop: Loop) -> None:
    asked = {"kind": "ab", "hold": "1h"}
    cycle = loop.deploy(2, rollout=asked, beside=[3], wait=False)
    with running(project) as engine:
        wait_for(lambda: len(stand.arms()) == 3)
        for version, right in ((1, 40), (2, 35), (3, 78)):
            ids = stand.answer(version, 80, "variant" if version > 1 else "champion")
            stand.label(ids[:right], True)
            stand.label(ids[right:], False)
        ended = engine.wait(cycle.id)
    assert ended.verdict == "promoted", ended.reason
    assert project.registry.aliases("flow")["champion"] == 3
    assert stand.arms() == [(3, "champion", 1.0)]


def test_a_rollout_that_cannot_be_watched_is_taken_back(
    project: Project, stand: Stand, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    cycle = loop.deploy(2, rollout={"kind": "canary", "hold": "1h"}, wait=False)
    with running(project):
        wait_for(lambda: len(stand.arms()) == 2)

    def lost(*_: object) -> None:
        raise OSError("the package is gone")

    monkeypatch.setattr(project, "package", lost)
    assert carry_out(project, cycle).verdict == "failed"
    rollout = project.rollouts.of_cycle(cycle.id)
    assert rollout is not None and rollout.state == "rolled_back"
    assert stand.arms() == [(1, "champion", 1.0)]
    assert Carrier(project, rollout).look() == rollout
