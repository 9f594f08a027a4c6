"""Pauses and events from upstream: HTTP, the console's card and the command line agree."""

from __future__ import annotations

import json

from click.testing import CliRunner
from server_helpers import Client

from everloop.cli import command_of
from everloop.loop.project import Project

HTML = {"accept": "text/html"}
EVIL = "<b>audit</b>"


def ask(project: Project, verb: str, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(command_of(verb), [*arguments, "--dir", str(project.dir)])
    assert done.exit_code == code, done.output
    return done.output or str(done.exception)


def test_a_loop_is_paused_and_resumed(client: Client, project: Project) -> None:
    paused = client.post("/api/v1/loops/flights/pause", json={"comment": EVIL}).json()
    assert (paused["reason"], paused["every"]) == (EVIL, False)
    assert client.get("/api/v1/loops/flights").json()["status"]["paused"] == paused
    shown = client.get("/", headers=HTML).text
    assert "has paused it: <bdi>&lt;b&gt;audit&lt;/b&gt;</bdi>" in shown and EVIL not in shown
    assert "has paused it" in ask(project, "status")
    program = {"authorization": "Bearer none"}  # needs no token of a page

    def pressed(**form: str) -> int:
        return client.post("/loops/flights", data=form, headers=program).status_code

    assert pressed(do="resume") == 303
    again = client.post("/api/v1/loops/flights/resume", json={})
    assert again.status_code == 409 and "nobody has paused it" in again.text
    assert pressed(do="pause", comment="x") == 303
    assert pressed(do="stop") == 422
    kinds = [event.kind for event in project.events.latest(3)]
    assert kinds == ["loop.paused", "loop.resumed", "loop.paused"]


def test_all_loops_are_paused_over_the_own_pause(client: Client, project: Project) -> None:
    client.post("/api/v1/pause", json={"comment": "freeze"})
    status = json.loads(ask(project, "status", "--json"))["loops"][0]
    assert status["paused"]["every"]
    own = client.post("/api/v1/loops/flights/resume", json={})
    assert own.status_code == 409 and "goes on with all of them" in own.text
    assert "flights: no update begins" in ask(project, "pause", "--reason", "mine")
    assert client.post("/api/v1/resume", json={}).json() == {"paused": None}
    assert project.pauses.of("flights").reason == "mine"  # type: ignore[union-attr]
    assert "begin by themselves again" in ask(project, "resume")
    assert json.loads(ask(project, "pause", "--all", "--json"))["every"]
    assert "all loops: updates begin" in ask(project, "resume", "--all")
    assert project.pauses.of("flights") is None
    assert "one of the two" in ask(project, "pause", "--all", "--loop", "flights", code=1)


def test_an_event_is_told(client: Client, project: Project) -> None:
    body = {"name": "etl.mended", "message": "v3"}
    told = client.post("/api/v1/loops/flights/events", json=body)
    assert told.status_code == 201 and told.json()["name"] == "etl.mended"
    refused = client.post("/api/v1/loops/flights/events", json={"name": "a b"})
    assert refused.status_code == 422 and refused.json()["error"]["path"] == "name"
    assert "campaign is told" in ask(project, "tell", "campaign", "spring")
    found = [event.payload for event in project.events.latest(2, subject="upstream/flights")]
    assert [one["name"] for one in found] == ["campaign", "etl.mended"]
