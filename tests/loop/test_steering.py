"""A person's word on a rollout: by Python, over HTTP, on the command line; and what they show."""

from __future__ import annotations

import getpass
import json
from collections.abc import Iterator
from typing import Any

import pytest
from click.testing import CliRunner
from rollout_stand import CANARY, Stand

from everloop.cli import command_of
from everloop.cli._api import CLI, Within
from everloop.console.loops.cycle import read_cycle
from everloop.console.render import render
from everloop.deploy.rollouts import Rollout
from everloop.deploy.serving.standing import remove_standing
from everloop.errors import Conflict, InvalidInput, NotFound, Unavailable
from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.loop.remote import RemoteLoop, Server
from everloop.loop.rollouts import drop_standbys
from everloop.server.app import create_app


@pytest.fixture
def stand(project: Project) -> Stand:
    return Stand(project)


@pytest.fixture
def rollout(stand: Stand, loop: Loop) -> Rollout:
    """A canary under way, with something seen."""
    cycle = loop.deploy(2, rollout={"kind": "canary"}, wait=False)
    found = stand.look(stand.begin(cycle=cycle.id, **CANARY, guards=("error_rate", "latency")))
    stand.answer(1, 8, "champion")
    stand.answer(2, 2, "canary")
    return stand.look(found)


@pytest.fixture
def remote(project: Project, loop: Loop) -> Iterator[RemoteLoop]:
    server = Server("http://127.0.0.1", transport=Within(create_app(project, local=CLI)))
    yield server.loop("flow")
    server.close()


def everloop(project: Project, *arguments: str) -> str:
    done = CliRunner().invoke(
        command_of("rollout"), [*arguments, "--dir", str(project.dir)], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    return done.output


def test_a_rollout_is_asked_for_with_other_values_for_this_time(
    loop: Loop, remote: RemoteLoop, stand: Stand
) -> None:
    asked: dict[str, Any] = {"kind": "ab", "share": 0.4}
    cycle = remote.deploy(2, rollout=asked, beside=[3], wait=False)
    assert cycle.cause == {"kind": "deploy", "version": 2, "rollout": asked, "beside": [3]}
    for wrong, beside, said in (
        ({"kind": "ab", "share": 2}, [], "rollout.share"),
        ({"kind": "canari"}, [], "rollout.kind"),
        ({"guards": ["latncy"]}, [], "latency"),
        ({"kind": "canary"}, [3], "beside"),
        ({"kind": "ab"}, [2], "beside"),
        ({"kind": "interleave"}, [], "a kind for the task binary"),
    ):
        for each in (loop, remote):
            with pytest.raises(InvalidInput, match=said):
                each.deploy(2, rollout=wrong, beside=beside, wait=False)
    with pytest.raises(NotFound):
        loop.deploy(2, rollout={"kind": "ab"}, beside=[9], wait=False)


def test_without_a_data_plane_no_rollout_is_begun(loop: Loop, stand: Stand) -> None:
    remove_standing(loop.project.serving_dir)
    with pytest.raises(Unavailable, match="no data plane"):
        loop.deploy(2, rollout={"kind": "shadow"}, wait=False)
    assert len(loop.history()) == 1


def test_nothing_is_steered_before_the_first_rollout(loop: Loop, remote: RemoteLoop) -> None:
    for each in (loop, remote):
        assert each.rollout() is None
        with pytest.raises(NotFound, match="no rollout yet"):
            each.steer("pause", by="me")


def test_each_way_says_the_same(
    loop: Loop, remote: RemoteLoop, stand: Stand, rollout: Rollout
) -> None:
    assert remote.rollout() == loop.rollout() == rollout
    assert remote.steer("pause", by="me").wish is not None
    assert stand.look(rollout).state == "paused"
    loop.steer("resume", by="me", comment="go on")
    assert stand.look(rollout).state == "running"
    asked = remote.steer("rollback", by="me", comment="no")
    assert asked.wish is not None and asked.wish.comment == "me: no"
    assert stand.look(rollout).state == "rolled_back"
    for each in (loop, remote):
        with pytest.raises(Conflict, match="is over"):
            each.steer("promote", by="me")


def test_the_command_line_shows_and_steers(
    project: Project, stand: Stand, rollout: Rollout
) -> None:
    said = everloop(project, "status")
    assert "canary of version 2, running" in said and "error_rate" in said
    assert json.loads(everloop(project, "status", "--json"))["evidence"]["requests"] == {
        "1": [8, 0],
        "2": [2, 0],
    }
    assert "promote is asked for" in everloop(project, "promote", "--comment", "enough")
    ended = stand.look(rollout)
    assert (ended.state, ended.reason) == (
        "promoted",
        f"decided by {getpass.getuser()}: enough",
    )
    assert "decided by" in everloop(project, "status")


def test_the_command_line_begins_one(project: Project, stand: Stand, loop: Loop) -> None:
    said = everloop(project, "start", "2", "--kind", "shadow", "--guard", "disagreement")
    assert "rolls version 2 out" in said
    cause = loop.history()[0].cause
    assert cause["rollout"] == {"kind": "shadow", "guards": ["disagreement"]}


def test_the_console_shows_a_rollout_under_way(
    project: Project, stand: Stand, rollout: Rollout
) -> None:
    page = read_cycle(project, rollout.cycle)
    assert page.trial is not None
    assert [(v.version, v.requests) for v in page.trial.versions] == [(1, 8), (2, 2)]
    html = render("cycle.html", page=page)
    assert "Rollout under way: canary, stage 1" in html
    assert "the canary failed on 0 of 2 requests" in html
    assert f'href="/endpoints/{rollout.endpoint}"' in html  # where its buttons are
    project.rollouts.ask(rollout.id, stand.wish("rollback"))
    assert "Asked for: rollback" in render("cycle.html", page=read_cycle(project, rollout.cycle))
    stand.look(rollout)
    assert read_cycle(project, rollout.cycle).trial is None


@pytest.mark.parametrize(("keep", "left"), [("1h", ["champion", "standby"]), ("0s", ["champion"])])
def test_the_old_version_stays_loaded_for_a_while(
    project: Project, stand: Stand, keep: str, left: list[str]
) -> None:
    rollout = stand.look(stand.begin(kind="blue_green", keep=keep))
    drop_standbys(project)
    assert len(stand.arms()) == 2  # it is under way
    assert stand.look(rollout).state == "promoted"
    drop_standbys(project)
    assert [role for _, role, _ in stand.arms()] == left
