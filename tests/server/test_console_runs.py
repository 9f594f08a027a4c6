"""The console's pages of runs and models, over HTTP: each page, its twin, and what it refuses."""

from __future__ import annotations

import math
import re
from urllib.parse import quote

import pytest
import sqlalchemy as sa
from server_helpers import Client

from everloop.console.runs.table import ROWS
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.tracking.artifacts.paths import key_of
from everloop.tracking.records import DatasetUse, Point

EVIL = '<script>alert("x")</script>'
HTML = {"accept": "text/html"}


@pytest.fixture
def run(project: Project) -> str:
    """A run with something of each kind."""
    run = project.runs.start("flights", EVIL)
    project.runs.log(
        run,
        params={"depth": "4", "note": EVIL},
        points=[
            *(Point("loss", 1 / (step + 1), 10**12 + step, step) for step in range(40)),
            Point("worst", math.nan, 1, 0),
            Point("far", math.inf, 1, 0),
        ],
    )
    used = DatasetUse(name="census", digest="ab12", source_type="local", source="x")
    project.inputs.log_inputs(run, [used], [])
    folder = key_of(project.runs.get(run).location)
    for path in ("notes.txt", "model/a b+ü.bin"):
        project.artifacts.put(f"{folder}/{path}", b"x" * 1234)
    return run


def test_a_run_shows_all_that_was_logged(client: Client, run: str) -> None:
    shown = client.get(f"/runs/{run}", headers=HTML)
    assert (shown.status_code, shown.headers["content-type"]) == (200, "text/html; charset=utf-8")
    html = shown.text
    assert "<script>" not in html and html.count("&lt;script&gt;") > 3
    for part in (">NaN<", ">1.798e+308<", "0.025", "census", "1.23 kB", "<loop-curves "):
        assert part in html, part
    assert not re.search(r"<style|\sstyle=|\son\w+=|javascript:", html)
    inside = client.get(f"/runs/{run}", params={"folder": "model"}).text
    link = f"/api/v1/runs/{run}/artifacts/model/a%20b%2B%C3%BC.bin"
    assert link in inside and client.get(link).content == b"x" * 1234
    twin = client.get(f"/runs/{run}.json").json()
    assert [one["path"] for one in twin["files"]] == ["model", "notes.txt"]
    assert (twin["charts"], twin["run"]["params"]["depth"]) == (["loss"], "4")


def test_what_a_run_page_refuses(client: Client, run: str) -> None:
    for folder in ("../..", "/etc", "%2e%2e", "a//b"):
        refused = client.get(f"/runs/{run}", params={"folder": folder}, headers=HTML)
        assert refused.status_code == 422, folder
    assert client.get("/runs/none", headers=HTML).status_code == 404
    assert client.get(f"/runs/{run}?odd=1").status_code == 422


def test_artifacts_that_lie_elsewhere_are_said_to(client: Client, project: Project) -> None:
    group = project.experiments.create("away", location="s3://bucket/x")
    run = project.runs.create(group.id).id
    assert "not kept by this server" in client.get(f"/runs/{run}", headers=HTML).text


def test_the_table_in_pages_and_by_filter(client: Client, project: Project, run: str) -> None:
    for number in range(ROWS):
        one = project.runs.start("many", f"r{number}")
        project.runs.log(one, params={"depth": str(number)})
    first = client.get("/runs.json").json()
    assert len(first["runs"]) == ROWS
    assert [one["name"] for one in first["columns"]][-2:] == ["duration", "params.depth"]
    html = client.get("/runs", headers=HTML).text
    (following,) = re.findall(r'href="(/runs\?[^"]*before=[^"]*)"', html)
    project.runs.start("many", "came in between")
    rest = client.get(following.replace("&amp;", "&"), headers=HTML).text
    assert f"/runs/{run}" in rest and "came in between" not in rest
    asked = {"experiment": "many", "filter": "params.depth IN ('4', '8')", "order_by": "",
             "before": ""}  # fmt: skip
    found = client.get("/runs.json", params=asked).json()
    assert [one["name"] for one in found["runs"]] == ["r8", "r4"]
    order = {"order_by": "metrics.loss ASC, attributes.run_id DESC"}
    assert client.get("/runs.json", params=order).json()["runs"][0]["id"] == run
    assert client.get("/runs", params={"experiment": "none"}, headers=HTML).status_code == 404


@pytest.mark.parametrize(
    ("asked", "shown"),
    [
        ({"filter": 'params.a = "x" AND  params.b <'}, "<mark>"),
        ({"filter": "'; DROP TABLE runs --"}, "<mark>"),
        ({"filter": f"{EVIL} = 1"}, "&lt;script"),
        ({"order_by": "metrics.auc SIDEWAYS"}, 'value="metrics.auc SIDEWAYS"'),
        ({"before": "forged"}, "page_token"),
    ],
)
def test_what_cannot_be_read_is_shown_beside_what_is_wrong(
    client: Client, asked: dict[str, str], shown: str
) -> None:
    page = client.get("/runs", params=asked, headers=HTML)
    assert page.status_code == 422
    assert shown in page.text and "<script>" not in page.text and 'role="alert"' in page.text
    assert client.get("/runs.json", params=asked).status_code == 422


def test_an_empty_project_says_what_to_do(client: Client) -> None:
    assert "No run yet." in client.get("/runs", headers=HTML).text
    assert "No model yet." in client.get("/models", headers=HTML).text


def test_models_and_their_versions(client: Client, project: Project, run: str) -> None:
    registry, name = project.registry, 'été 100% <b>"@x?y#z'
    registry.create_model(name, description=EVIL, tags={"team": "ops"}, actor="t")
    for _ in range(52):
        registry.create_version(name, source="s3://bucket/m", run=run, actor="t")
    registry.set_alias(name, "best", 51, actor="t")
    registry.transition(name, 50, "Production", archive_existing=False, actor="t")
    listed = client.get("/models", headers=HTML).text
    (link,) = re.findall(r'href="(/models/[^"]+)"', listed)
    assert link == f"/models/{quote(name)}" and "best → 51" in listed
    html = client.get(link, headers=HTML).text
    assert "<script>" not in html and f'href="/runs/{run}"' in html and ">production<" in html
    (older,) = re.findall(r'href="(/models/[^"]+before=[^"]+)"', html)
    assert [v["version"] for v in client.get(older.replace("?", ".json?")).json()["versions"]] == [
        2,
        1,
    ]
    assert client.get("/models.json", params={"filter": "name LIKE 'z%'"}).json()["models"] == []
    refused = client.get("/models", params={"filter": "name = "}, headers=HTML)
    assert refused.status_code == 422 and 'role="alert"' in refused.text
    assert client.get("/models/none", headers=HTML).status_code == 404


def test_pages_ask_no_more_as_there_are_more_runs(client: Client, project: Project) -> None:
    asked: list[str] = []
    sa.event.listen(project.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]))

    def statements() -> int:
        asked.clear()
        assert client.get("/runs.json").status_code == 200
        return len(asked)

    for number in range(3):
        project.runs.log_params(project.runs.start("e", f"r{number}"), {"a": 1})
    few = statements()
    for number in range(60):
        project.runs.log_params(project.runs.start("e", f"more{number}"), {"a": 1})
    assert statements() == few < 20


def test_operations_show_webhooks_moves_and_events(client: Client, project: Project) -> None:
    empty = client.get("/operations", headers=HTML).text
    assert "Nobody is told of changes." in empty and empty.count("None was asked for.") == 2
    project.webhooks.create(
        "hook", "https://example.com/hook", ["model_version.created"], actor="t", secret="s3cret"
    )
    for name in ("m", "n"):
        project.registry.create_model(name, actor="t")
        project.registry.create_version(name, source="s3://b/m", actor="t")
    move = project.moves.add("import", "https://mlflow.example", {}, "ann")
    taken = project.moves.take()
    assert taken and project.moves.renew(taken, {"runs": (4, 9)})
    project.moves.fail(taken, NotFound(f"There is no {EVIL}."))
    html = client.get("/operations", headers=HTML).text
    assert "<script>" not in html and html.count("&lt;script&gt;") == 1
    for part in ("https://example.com/hook", "runs 4 of 9", ">failed<", ">waiting<", "model:m"):
        assert part in html, part
    assert "s3cret" not in html
    twin = client.get("/operations.json").json()
    assert [one["id"] for one in twin["imports"]] == [move.id]
    assert len(twin["webhooks"][0]["deliveries"]) == 2
