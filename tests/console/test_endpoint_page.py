"""The page of an endpoint, with planes elsewhere, and the buttons of rollouts and cycles."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
import story
from starlette.testclient import TestClient

from everloop.console.endpoints.endpoint import read_endpoint
from everloop.console.render import render
from everloop.console.words import ago
from everloop.deploy.rollouts import Rollout
from everloop.deploy.serving.standing import Standing, keep_report
from everloop.deploy.spec import RolloutSpec
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.server.app import create_app

COUNTS = {"requests": 4_321, "rows": 5_000, "errors": 7, "latency_ms": {"p50": 0.5, "p99": 2.0}}
ARMS = [{"version": 2, "role": "champion", "weight": 1.0, "digest": "ab" * 32}]


def reported(project: Project, plane: str, age: float = 0.0, **told: object) -> Path:
    """What a data plane on another machine said, so many seconds ago."""
    traffic = {
        "flights": {"model": "flights", "arms": ARMS, "versions": {"2": {"champion": COUNTS}}}
    }
    said = {
        "pid": 1,
        "url": "http://edge:5051",
        "revision": 3,
        "version": "0.0.9",
        "traffic": traffic,
    }
    keep_report(project.serving_dir, plane, Standing(**{**said, **told}))
    path = project.serving_dir / "planes" / f"{plane}.json"
    os.utime(path, (time.time() - age, time.time() - age))
    return path


def begun(project: Project, cycle: str = "c1") -> Rollout:
    return project.rollouts.begin(
        cycle, endpoint="flights", model="flights", spec=RolloutSpec(kind="canary"), champion=2,
        versions=[3], actor="t",
    )  # fmt: skip


def test_planes_elsewhere_say_what_they_count_and_when(
    project: Project, cycles: list[Cycle]
) -> None:
    reported(project, "edge-1")
    reported(project, "edge-2", age=120.0)
    reported(project, "edge-3", ready=False, errors={"flights": "no such package"}, traffic={})
    page = read_endpoint(project, "flights", story.traffic())
    assert [plane.state for plane in page.planes] == ["answering", "silent", "not ready"]
    champion, canary = page.planes[0].arms
    assert (champion.requests, champion.errors, champion.p99_ms) == (4_321, 7, 2.0)
    assert (canary.live, canary.requests) == (False, 0)
    assert page.planes[2].traffic is None
    html = render("endpoint.html", page=page)
    for shown in (
        "4,321",
        "18,234",
        ago(page.planes[1].heard, page.at),
        "everloop 0.0.9",
        "no such package",
    ):
        assert shown in html, shown


def test_a_plane_of_another_version_and_one_long_gone(
    project: Project, cycles: list[Cycle]
) -> None:
    reported(project, "newer", traffic={"flights": {"model": 7}})
    gone = reported(project, "gone", age=2 * 86_400.0)
    page = read_endpoint(project, "flights", {})
    assert [(plane.plane, plane.traffic) for plane in page.planes] == [("newer", None)]
    reported(project, "another")
    assert not gone.exists()


@pytest.fixture
def ask(project: Project, cycles: list[Cycle]):
    app = create_app(project, serve_url="http://127.0.0.1:9")  # nothing listens there
    program = {"authorization": "Bearer none"}  # needs no token of a page in its forms
    return TestClient(
        app, base_url="http://127.0.0.1:5050", headers=program, follow_redirects=False
    )


def test_a_button_asks_for_what_it_says(project: Project, ask) -> None:
    rollout = begun(project)
    page = ask.get("/endpoints/flights").text
    assert f'action="/rollouts/{rollout.id}"' in page and 'value="pause"' in page
    told = ask.post(f"/rollouts/{rollout.id}", data={"do": "rollback", "comment": "<b> über"})
    assert (told.status_code, told.headers["location"]) == (303, "/endpoints/flights")
    wish = project.rollouts.get(rollout.id).wish
    assert wish is not None and (wish.do, wish.comment) == ("rollback", "<b> über")
    assert "Asked for: rollback" in ask.get("/endpoints/flights").text
    assert "waits for a person and has to end first" in ask.get("/endpoints/flights").text
    back = ask.post("/endpoints/flights", data={"do": "rollback", "version": "1"})
    assert back.status_code == 409 and "waits for a person's word" in back.text
    assert "&lt;b&gt; über" in ask.get("/endpoints/flights").text


@pytest.mark.parametrize(
    ("form", "headers", "status"),
    [
        ({"do": "delete"}, {}, 422),
        ({}, {}, 422),
        ({"do": "pause", "by": "somebody"}, {}, 422),
        ({"do": "pause", "comment": "x" * 3000}, {}, 422),
        ({"do": "pause"}, {"origin": "https://elsewhere.example"}, 403),
        ({"do": "pause"}, {"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_what_is_no_button_of_ours_changes_nothing(
    project: Project, ask, form: dict[str, str], headers: dict[str, str], status: int
) -> None:
    rollout = begun(project)
    refused = ask.post(f"/rollouts/{rollout.id}", data=form, headers=headers)
    assert refused.status_code == status, refused.text
    assert project.rollouts.get(rollout.id).wish is None


def test_a_waiting_cycle_is_decided_by_buttons(project: Project, cycles: list[Cycle], ask) -> None:
    waiting, path = cycles[4], f"/cycles/{cycles[4].id}/decision"
    assert 'value="approve"' in ask.get(path).text
    assert ask.post(path, data={"do": "promote"}).status_code == 422
    assert ask.post(path, data={"do": "reject"}, headers={"origin": "http://x"}).status_code == 403
    assert project.cycles.get(waiting.id).state == "waiting"
    assert ask.post(path, data={"do": "rollback"}).status_code == 409  # nothing serves yet
    remark = ask.post(path, data={"do": "comment", "comment": "<i>why</i>?"})
    assert (remark.status_code, remark.headers["location"]) == (303, path)
    told = ask.post(path, data={"do": "reject", "comment": "not this one"})
    assert (told.status_code, told.headers["location"]) == (303, path)
    page = ask.get(path).text
    assert "&lt;i&gt;why&lt;/i&gt;?" in page and "signed, and as it was signed" in page
    events = project.events.latest(5, f"cycle/{waiting.id}")
    assert any(e.payload.get("comment") == "not this one" for e in events)
    late = ask.post(f"/cycles/{cycles[0].id}/decision", data={"do": "approve"})
    assert late.status_code == 409


def test_a_rollout_that_is_over_has_no_buttons(project: Project, ask) -> None:
    rollout = begun(project)
    with project.events.transaction() as conn:
        project.rollouts.decide(
            conn, rollout, "rolled_back", "t", {}, state="rolled_back", reason="too slow <i>"
        )
    page = ask.get("/endpoints/flights").text
    assert 'action="/rollouts/' not in page and "too slow &lt;i&gt;" in page
    late = ask.post(
        f"/rollouts/{rollout.id}", data={"do": "promote"}, headers={"accept": "text/html"}
    )
    assert late.status_code == 409 and "is over" in late.text
