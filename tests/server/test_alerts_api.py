"""Alerts over HTTP, on the console's pages and by the command line: the same answers."""

from __future__ import annotations

import json
import re
from inspect import signature
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner
from server_helpers import BASE, DEAD, Client, Connect

from everloop.cli import command_of
from everloop.cli._api import Within
from everloop.errors import NotFound
from everloop.loop.loop import Loop, loop_of
from everloop.loop.project import Project
from everloop.loop.remote import RemoteLoop, Server
from everloop.monitor.cause.attribution import Attribution, Part
from everloop.monitor.cause.found import Cause
from everloop.monitor.spec import MonitorSpec
from everloop.monitor.windows import Alert, alert_id
from everloop.server.app import create_app

PROGRAM = {"authorization": "Bearer none"}  # needs no token of a page in its forms
HTML = {"accept": "text/html"}
EVIL = '<script>alert("x")</script>'
CHANNELS = """
[monitor.channels.log]
kind = "file"
path = "told.jsonl"
[[monitor.alerts]]
name = "all"
channels = ["log"]
"""


@pytest.fixture
def alert(project: Project) -> str:
    """An alert that is under way, told to a file."""
    file = project.dir / "everloop.toml"
    file.write_text(file.read_text() + CHANNELS)
    declared = project.sync_file()
    assert declared is not None
    raised = Alert(
        id=alert_id("flights", 0, "drift", EVIL), endpoint="flights", window=0, kind="drift",
        severity="warning", feature=EVIL, summary=f"{EVIL} drifted", evidence={}, at=1,
    )  # fmt: skip
    project.watch.raise_alert(raised)
    assert project.alerts.route("flights", declared.monitor) == 1
    assert project.alerts.courier().deliver_due() == 1
    return raised.id


def test_an_alert_is_listed_and_shown(client: Client, alert: str) -> None:
    (line,) = client.get("/api/v1/alerts?state=open").json()["items"]
    assert (line["state"], line["incident"]["id"]) == ("open", alert)
    assert client.get("/api/v1/alerts?state=resolved").json()["items"] == []
    found = client.get(f"/api/v1/alerts/{alert[:12]}").json()
    assert [one["state"] for one in found["deliveries"]] == ["sent"]
    assert client.get("/api/v1/alerts/unknown").status_code == 404
    assert client.get("/api/v1/alerts?state=o").json()["error"]["path"] == "query.state"
    sent = client.get("/api/v1/alert-deliveries?state=sent").json()["items"]
    assert [one["channel"] for one in sent] == ["log"]


def test_a_silence_is_made_and_taken_back(client: Client, alert: str, project: Project) -> None:
    body = {"duration": "4h", "comment": "known", "kind": "drift"}
    made = client.post("/api/v1/silences", json=body)
    assert made.status_code == 201
    assert client.get("/api/v1/alerts").json()["items"][0]["state"] == "silenced"
    path = f"/api/v1/silences/{made.json()['id']}"
    assert client.delete(path).json()["ended"] is not None
    assert client.delete(path).status_code == 409
    assert client.get("/api/v1/alerts").json()["items"][0]["state"] == "open"
    refused = client.post("/api/v1/silences", json=body | {"duration": "soon"})
    assert refused.json()["error"]["path"] == "duration"
    kinds = [event.kind for event in project.events.latest(2)]
    assert kinds == ["silence.ended", "silence.added"]


def test_the_pages_show_it_and_take_a_silence(connect: Connect, alert: str) -> None:
    client = connect()
    for page in ("/alerts", f"/alerts/{alert}", "/alerts/rules"):
        shown = client.get(page, headers=HTML)
        assert shown.status_code == 200
        assert "<script>" not in shown.text and "&lt;script&gt;" in shown.text
        assert not re.search(r"\sstyle=|\son\w+=|javascript:", shown.text)
        assert client.get(f"{page}.json").status_code == 200
    form = {"do": "silence", "duration": "1h", "comment": "we know", "feature": "*"}
    foreign = {"origin": "http://evil.example"}
    assert client.post("/alerts", data=form, headers=foreign).status_code == 403
    assert client.post("/alerts", data=form, headers=PROGRAM).status_code == 303
    page = client.get("/alerts.json").json()
    (silence,) = page["silences"]
    assert page["alerts"][0]["state"] == "silenced" and silence["comment"] == "we know"
    assert "we know" in client.get("/alerts", headers=HTML).text
    back = {"do": "unsilence", "silence": silence["id"]}
    assert client.post("/alerts", data=back, headers=PROGRAM).status_code == 303
    assert client.get("/alerts.json").json()["silences"] == []
    assert client.post("/alerts", data={"do": "shout"}, headers=PROGRAM).status_code == 422


def test_the_page_of_rules_sends_a_test(connect: Connect, alert: str) -> None:
    client = connect()
    page = client.get("/alerts/rules.json").json()
    ((name, rule),) = page["loops"][0]["rules"]
    assert (name, rule["channels"]) == ("all", ["log"])
    assert [one["state"] for one in page["deliveries"]] == ["sent"]
    form = {"do": "test", "loop": "flights", "channel": "log"}
    foreign = {"origin": "http://evil.example"}
    assert client.post("/alerts/rules", data=form, headers=foreign).status_code == 403
    assert (
        "log of flights took the test"
        in client.post("/alerts/rules", data=form, headers=PROGRAM).text
    )
    for wrong, status in (({"channel": "lo"}, 404), ({"loop": "f"}, 404), ({"do": "x"}, 422)):
        assert (
            client.post("/alerts/rules", data=form | wrong, headers=PROGRAM).status_code == status
        )


def test_what_it_came_from_is_shown_once_found(
    client: Client, alert: str, project: Project
) -> None:
    assert "Nobody asked yet" in client.get(f"/alerts/{alert}", headers=HTML).text
    part = Part("x <b>", 0.02, 0.7, 0.5, 0.9)
    found = Attribution("roc_auc", 0.7, 0.67, 0.03, 0.005, [part], 900, 800)
    cause = Cause(alert, "x drifted", "x <b> shifted", attribution=found)
    project.windows.explain(project.windows.alert(alert), msgspec.to_builtins(cause))
    page = client.get(f"/alerts/{alert}", headers=HTML).text
    assert "x &lt;b&gt; shifted." in page and "0.0200" in page and "x <b>" not in page
    kept = client.get(f"/api/v1/alerts/{alert[:8]}/cause").json()
    assert kept["sentence"] == "x <b> shifted"


def test_the_verbs_say_the_same(project: Project, alert: str) -> None:
    def ask(*arguments: str, code: int = 0) -> str:
        done = CliRunner().invoke(
            command_of("alerts"), [*arguments, "--dir", str(project.dir)], catch_exceptions=False
        )
        assert done.exit_code == code, done.output
        return done.output

    assert json.loads(ask("list", "--json"))["items"][0]["incident"]["id"] == alert
    assert alert[:12] in ask("list") and "next: everloop alerts show" in ask("list")
    assert "firing to log, sent" in ask("show", alert[:10])
    made = json.loads(ask("silence", "--for", "1h", "--comment", "why not", "--json"))
    assert "why not" in ask("silences") and "why not" in ask("show", alert)
    assert "is over" in ask("unsilence", made["id"])
    assert "log" in ask("deliveries") and "all" in ask("test")
    assert "took it" in ask("test", "log")
    told = (project.dir / "told.jsonl").read_text().splitlines()
    assert [json.loads(line)["state"] for line in told] == ["firing", "test"]


def test_a_project_without_rules_lists_alerts_all_the_same(
    client: Client, project: Project, tmp_path: Path
) -> None:
    raised = Alert(
        id=alert_id("flights", 0, "quality", "a"), endpoint="flights", window=0, kind="quality",
        severity="critical", feature="a", summary="a is stuck", evidence={}, at=1,
    )  # fmt: skip
    project.watch.raise_alert(raised)
    assert project.alerts.route("flights", MonitorSpec()) == 0
    assert client.get("/api/v1/alerts").json()["items"][0]["incident"]["told"] == {}


ONE_SIDED = {"predict": "in this process; a server's endpoint is asked over HTTP"}


def test_a_loop_has_the_same_methods_here_and_elsewhere() -> None:
    def public(kind: type) -> set[str]:
        return {name for name in dir(kind) if not name.startswith("_")}

    assert public(Loop) - public(RemoteLoop) - {"name"} == set(ONE_SIDED)
    assert public(RemoteLoop) <= public(Loop)
    here = {"wait", "actor", "cause"}  # a server's controller carries cycles out, as its caller
    for name in public(RemoteLoop):
        ours, theirs = getattr(Loop, name), getattr(RemoteLoop, name)
        if callable(ours):
            both = [[*signature(one).parameters] for one in (ours, theirs)]
            assert [p for p in both[0] if p not in here] == [p for p in both[1] if p not in here]


def test_both_sides_say_the_same_of_alerts(project: Project, alert: str) -> None:
    local = loop_of(project)
    remote = Server(BASE, transport=Within(create_app(project, serve_url=DEAD))).loop()
    for method, arguments in (
        ("alerts", ("open",)), ("alert", (alert[:12],)), ("silences", ()), ("rules", ()),
        ("channels", ()), ("deliveries", ("sent",)), ("health", ()), ("test_channel", ("log",)),
    ):  # fmt: skip
        said = [getattr(one, method)(*arguments) for one in (local, remote)]
        assert said[0] == said[1], method
    for loop in (local, remote):
        made = loop.silence("4h", "known", by="ada", feature="x*")
        assert made.endpoint == "flights" and "known" in made.comment
        assert loop.unsilence(made.id, by="ada").ended is not None
    with pytest.raises(NotFound, match=r"channel: got .none., expected one of log"):
        remote.test_channel("none")
