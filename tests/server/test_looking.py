"""Search, the event log, settings, storage and access: the pages and their twins."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from test_signing_in import OWN, Browser

import everloop
from everloop.loop import finding
from everloop.loop.configured import configured
from everloop.loop.project import Project
from everloop.server.routes import ROUTES
from everloop.settings import load_settings
from everloop.tracking.artifacts.paths import key_of
from everloop.verbs import VERBS

EVIL = "<img src=x onerror=alert(1)>\u202egnp.exe 🜲"
BEARER = {"authorization": f"Bearer {OWN}"}


@pytest.fixture
def browser(project: Project) -> Browser:
    browser = Browser(project)
    browser.sign_in("", OWN)
    return browser


def kinds(found: finding.Found) -> dict[str, list[str]]:
    return {group.kind: [hit.name for hit in group.hits] for group in found.groups}


def told(project: Project) -> str:
    """Some of everything; gives a run's id."""
    project.registry.create_model("flights", actor="t")
    made = project.registry.register(
        "flights", key="k", digest="ab" * 32, algorithm="lightgbm", files={"m": "cd" * 32},
        run=None, dataset=None, cycle=None, metrics={}, actor="t",
    )  # fmt: skip
    project.registry.set_alias("flights", "champion", made.version, actor="t")
    flights = project.experiments.create("flights 2013")
    run = project.runs.create(flights.id, name=f"flights {EVIL}").id
    for number in range(12):
        project.runs.create(0, name=f"other {number}")
    return run


def test_anything_is_found_by_its_name_or_id(project: Project) -> None:
    run = told(project)
    found = finding.find(project, "FLIGHTS")
    assert kinds(found)["loops"] == ["flights"] and kinds(found)["models"] == ["flights"]
    assert kinds(found)["runs"] == [f"flights {EVIL}"]
    assert kinds(found)["experiments"] == ["flights 2013"]
    assert "model:flights" in kinds(found)["events"]
    for text in (run, run[:6].upper()):
        hits = [hit for group in finding.find(project, text).groups for hit in group.hits]
        assert [hit.page for hit in hits if hit.kind == "run"] == [f"/runs/{run}"]
    for text in ("flights/1", "flights@champion", "flights 1", "flights version 1"):
        assert kinds(finding.find(project, text))["versions"] == ["flights version 1"], text
    many = next(g for g in finding.find(project, "other").groups if g.kind == "runs")
    assert (len(many.hits), many.more) == (finding.MOST, True)
    assert kinds(finding.find(project, "who did what"))["pages"] == ["Events and audit"]
    assert kinds(finding.find(project, "everloop gc"))["commands"] == ["everloop gc"]
    assert kinds(everloop.search("flights", project.dir)) == kinds(finding.find(project, "flights"))
    assert finding.find(project, " ").groups == []
    assert finding.find(project, "100%_\\ [a-z]*'\"").groups == []
    with pytest.raises(everloop.EverloopError, match=r"query\.q"):
        finding.find(project, "x" * 201)


def test_every_page_that_search_names_is_there() -> None:
    pages = {route.path for route in ROUTES if route.method == "GET"}
    assert set(finding.PAGES) <= pages and {"search", "settings", "storage"} <= set(VERBS)


def test_a_search_asks_no_more_as_the_project_grows(project: Project) -> None:
    asked: list[tuple[str, Any]] = []
    sa.event.listen(
        project.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2:4]), named=False
    )
    finding.find(project, "ab12")
    few = len(asked)
    told(project)
    asked.clear()
    finding.find(project, "ab12")
    assert len(asked) == few < 20
    (by_id,) = [one for one in asked if "runs.id >= ?" in one[0]]
    with project.db.read() as conn:
        plan = str(conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {by_id[0]}", by_id[1]).all())
    assert "USING INDEX" in plan and "SCAN" not in plan


def test_the_page_of_a_search_shows_names_as_text(browser: Browser, project: Project) -> None:
    told(project)
    page = browser.get("/search", params={"q": "flights"}).text
    assert "<img src=x" not in page and "<bdi>flights &lt;img" in page
    assert browser.get("/search.json?q=flights").json()["groups"]
    assert browser.get("/search?q=" + "x" * 201).status_code == 422
    api = browser.get("/api/v1/search?q=flights", headers=BEARER).json()
    assert [group["kind"] for group in api["groups"]][:2] == ["loops", "models"]


def test_events_are_found_paged_and_verified(browser: Browser, project: Project) -> None:
    told(project)
    for number in range(60):
        project.people.add(f"p{number}", actor=f"by-{number % 2}")
    page = browser.get("/events?kind=person.added&actor=by-1")
    assert page.text.count("<tr id=") == 30
    newest = browser.get("/events.json?kind=person.*").json()
    assert len(newest["events"]) == 50
    older = browser.get(f"/events.json?kind=person.*&before={newest['next']}").json()
    assert [len(older["events"]), older["next"]] == [11, None]  # and the one who signed in
    assert browser.get("/events.json?subject=model:flights").json()["events"]
    day = "2001-01-01"
    assert browser.get(f"/events.json?until={day}").json()["events"] == []
    assert browser.get(f"/events.json?since={day}&until=2999-01-01T00:00").json()["events"]
    bad = browser.get("/events?since=tomorrow")
    assert bad.status_code == 422 and "expected a time" in bad.text
    verified = browser.fill("/events", "/events", do="verify")
    assert "unbroken" in verified.text and re.search(r"\d+:[0-9a-f]{64}", verified.text)
    with project.db.write() as conn:
        conn.exec_driver_sql("UPDATE events SET actor = 'somebody' WHERE seq = 3")
    broken = browser.fill("/events", "/events", do="verify")
    assert "at event 3" in broken.text and "unbroken" not in broken.text


def test_settings_say_where_they_came_from_and_hide_secrets(
    tmp_path: Path, browser: Browser, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    file = folder / "everloop.toml"
    file.write_text(
        '[loop]\nname = "f"\n[data]\nsource = "d.csv"\ntarget = "y"\n'
        '[settings]\nlease = "20s"\ntoken = "very secret"\nmax_body_mb = 3\n'
    )
    monkeypatch.setenv("EVERLOOP_MAX_BODY_MB", "5")
    monkeypatch.setenv("EVERLOOP_BLOBS_URL", f"file://{folder}/blobs")
    with Project.open(folder) as project:
        found = {one.name: one for one in configured(project)}
        assert (found["lease"].value, found["lease"].source) == ("20s", "file")
        assert (found["max_body_mb"].value, found["max_body_mb"].source) == ("5", "environment")
        assert found["session_idle"].source == "default" and found["session_idle"].value == "12h"
        assert "very secret" not in str(found) and found["token"].value
        assert all(one.about for one in found.values())
        assert everloop.configuration(folder) == configured(project)
        file.write_text(file.read_text().replace("20s", "30s"))
        assert {o.name: o.next for o in configured(project)}["lease"] == "30s"
    section = {"database_url": "postgresql://ann:pw@db/x?sslpassword=pw2&a=b"}
    settings = load_settings(section, {})
    project.settings = settings
    shown = {one.name: one.value for one in configured(project, {})}
    assert shown["database_url"] == "postgresql://***@db/x?sslpassword=***&a=b"
    page = browser.get("/settings").text
    assert "EVERLOOP_MAX_BODY_MB" in page and OWN not in page
    assert browser.get("/api/v1/settings", headers=BEARER).json()["items"]


def test_storage_is_measured_and_collected(browser: Browser, project: Project) -> None:
    run = project.runs.create(0, name="r")
    project.artifacts.put(f"{key_of(run.location)}/a.txt", b"x" * 5000)
    lost = project.blobs.put(b"nobody's")
    found = browser.get("/storage.json").json()["storage"]
    blobs = {one["name"]: (one["bytes"], one["count"]) for one in found["blobs"]}
    assert blobs == {"artifacts": (5000, 1), "nothing": (8, 1)} and found["complete"]
    assert found["places"][0]["name"] == "database" and found["places"][0]["bytes"] > 10_000
    path = project.state / "blobs" / lost[:2] / lost[2:4] / lost
    os.utime(path, (0, 0))
    assert browser.get("/storage").text.count("8 B") >= 2
    gone = browser.fill("/storage", "/storage", do="collect", older_than="30d")
    assert gone.status_code == 303 and not path.exists()
    assert browser.fill("/storage", "/storage", do="collect", older_than="old").status_code == 422
    assert browser.get("/api/v1/storage", headers=BEARER).json()["complete"]
    assert everloop.storage(project.dir).blobs[0].name == "artifacts"


def test_people_are_added_and_removed_on_their_page(browser: Browser, project: Project) -> None:
    made = browser.fill("/access", "/access", do="add", name="ann", roles="risk, qa", may="write")
    token = re.search(r'<code id="token">([^<]+)</code>', made.text)
    assert token and made.headers["cache-control"] == "no-store"
    ann = project.people.holder(token[1])
    assert ann is not None and (ann.roles, ann.may) == (["qa", "risk"], "write")
    assert token[1] not in browser.get("/access").text
    for bad in ({"name": "ann"}, {"name": "<b>"}, {"name": "x", "may": "all"}):
        assert browser.fill("/access", "/access", do="add", **bad).status_code in (409, 422)
    other = Browser(project)
    other.sign_in("ann", token[1])
    assert "Sign out everywhere else" not in other.get("/access").text
    third = Browser(project)
    third.sign_in("ann", token[1])
    page = other.get("/access").text
    assert "a program" in page and "Add a person" not in page
    refused = other.fill("/access", "/access", do="remove", name="ann")
    assert refused.status_code == 403
    assert other.fill("/access", "/access", do="sign_out_others").status_code == 303
    assert third.get("/runs").status_code == 303 and other.get("/runs").status_code == 200
    assert browser.fill("/access", "/access", do="remove", name="ann").status_code == 303
    assert other.get("/runs").status_code == 303
