"""The button of a run's page that trains its model again."""

from __future__ import annotations

import pytest
from server_helpers import Client, Connect

from everloop.loop.project import Project

HTML = {"accept": "text/html"}
FORM = {"content-type": "application/x-www-form-urlencoded"}
PROGRAM = FORM | {"authorization": "Bearer none"}  # its form needs no page
BUTTON = "Train it again and compare"


@pytest.fixture
def run(project: Project) -> str:
    """A run that a cycle of the loop trained."""
    loop = project.cycles.loop_names()[0]
    cycle = project.cycles.create(loop, cause={"kind": "person"}, plan=["train"], actor="t").id
    made = project.runs.start("loop", "the model", {"cycle": cycle})
    project.cycles.begin_step(cycle, "train", 0)
    project.cycles.finish_step(cycle, "train", {"run": made})
    project.cycles.finish(cycle, verdict="registered", reason="", version=None, evidence={})
    return made


def test_a_run_of_a_cycle_is_trained_again_by_a_button(
    client: Client, project: Project, run: str
) -> None:
    assert BUTTON in client.get(f"/runs/{run}", headers=HTML).text
    answer = client.post(f"/runs/{run}/again", content="", headers=PROGRAM)
    assert answer.status_code == 303, answer.text
    begun = project.cycles.get(answer.headers["location"].removeprefix("/cycles/"))
    assert (begun.cause["kind"], begun.cause["run"], begun.plan) == (
        "reproduce", run, ["reproduce"],
    )  # fmt: skip
    assert client.get(answer.headers["location"], headers=HTML).status_code == 200
    twin = client.get(f"/runs/{run}.json").json()["again"]
    assert [(one["number"], one["verdict"]) for one in twin["done"]] == [(begun.number, None)]
    assert (
        client.post(f"/runs/{run}/again", content="", headers=PROGRAM).status_code == 409
    )  # one at a time
    project.cycles.finish(
        begun.id, verdict="differs", reason="Scores differ.", version=None, evidence={}
    )
    shown = client.get(f"/runs/{run}", headers=HTML).text
    assert "differs" in shown and "Scores differ." in shown and BUTTON in shown


def test_other_runs_have_no_such_button(client: Client, project: Project) -> None:
    for tags in ({}, {"cycle": "gone"}):
        made = project.runs.start("mine", "by hand", tags)
        assert BUTTON not in client.get(f"/runs/{made}", headers=HTML).text
        assert client.post(f"/runs/{made}/again", content="", headers=PROGRAM).status_code == 422


def test_who_may_only_read_is_told_the_command(
    connect: Connect, project: Project, run: str
) -> None:
    token = project.people.add("reader", may="read", actor="t").token
    client = connect(token="the-servers-own-token-1234567890")
    who = {"authorization": f"Bearer {token}"}
    shown = client.get(f"/runs/{run}", headers=who | HTML).text
    assert BUTTON not in shown and f"everloop reproduce {run}" in shown
    assert client.post(f"/runs/{run}/again", content="", headers=who | FORM).status_code == 403
