"""A window's profile over HTTP, on its page and by the verb, which say the same."""

from __future__ import annotations

import json
from pathlib import Path

import httpx
import polars as pl
import pytest
from click.testing import CliRunner
from server_helpers import Client

import everloop as el
from everloop.cli import everloop
from everloop.data.schema import Feature, Schema
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.loop.remote import Server
from everloop.monitor.kept import profile_window
from everloop.monitor.profile import profile
from everloop.monitor.summaries.table import read_table_profile
from everloop.monitor.windows import Window

DAY = 86_400_000
SCHEMA = Schema(
    (Feature("a", "number"), Feature("<k>", "category", ("x", "y"))),
    "late",
    "binary",
    classes=("no", "yes"),
)


def rows(moved: float) -> pl.DataFrame:
    n = 200
    a = pl.Series([float(i % 50) + moved for i in range(n)])
    return pl.DataFrame(
        {"a": a, "<k>": ["x", "y"] * (n // 2), "y": ["no"] * n, "p": [[0.5, 0.5]] * n}
    )


@pytest.fixture
def project(project: Project) -> Project:
    reference = project.blobs.put(profile(rows(0).select("a", "<k>"), SCHEMA).to_json())
    for day in (1, 2):
        kept = project.blobs.put(profile_window(rows(30 * day), SCHEMA, ["<k>"]).to_bytes())
        window = Window(
            endpoint="flights",
            start=day * DAY,
            end=(day + 1) * DAY,
            rows=200,
            labelled=0,
            checks={"reference": reference, "profile": kept},
            performance=None,
            quarantined=False,
            updated=0,
        )
        with project.events.transaction() as conn:
            project.windows.save(conn, window, [])
    return project


def test_all_ways_tell_the_same(client: Client, project: Project) -> None:
    path = f"/endpoints/flights/windows/{DAY}/profile"
    told = client.get(f"/api/v1{path}").json()
    assert told == client.get(f"{path}.json").json()
    assert (told["rows"], told["beside"], told["segments"][0]) == (
        200,
        "the training rows",
        "<k>=x",
    )
    page = client.get(path)
    assert page.status_code == 200
    assert "&lt;k&gt;=x" in page.text
    assert page.text.count("<polyline") >= 2
    assert f'href="{path}"' in client.get(f"/endpoints/flights/windows/{DAY}").text
    verb = ["profile", "--dir", str(project.dir), "--window", "1970-01-02", "--json"]
    assert json.loads(CliRunner().invoke(everloop, verb).output) == told


def test_windows_merge_over_http_and_for_a_segment(client: Client, project: Project) -> None:
    path = f"/api/v1/endpoints/flights/windows/{DAY}/profile"
    both = client.get(f"{path}?until={3 * DAY}&segment=%3Ck%3E%3Dx").json()
    assert (both["rows"], both["windows"], both["beside"]) == (200, 2, "")
    saved = read_table_profile(client.get(f"{path}?as=saved").content)
    assert el.compare(rows(30).select("a"), saved, ignore=["<k>", "(prediction)"]).drifted == []
    page = client.get(f"/endpoints/flights/windows/{2 * DAY}/profile?segment=%3Ck%3E%3Dx")
    assert "the same segment in the 1 windows before" in page.text
    for wrong, status in (("until=1", 422), ("segment=no", 404), ("as=png", 422)):
        assert client.get(f"{path}?{wrong}").status_code == status


def test_the_verb_saves_compares_and_refuses(project: Project, tmp_path: Path) -> None:
    common = ["--dir", str(project.dir)]

    def ran(*more: str) -> tuple[int, str]:
        done = CliRunner().invoke(everloop, ["profile", *common, *more])
        return done.exit_code, f"{done.output}{done.exception or ''}"

    file = str(tmp_path / "first.json")
    assert ran("--window", "1970-01-02", "--save", file)[0] == 0
    code, shown = ran("--window", "latest", "--against", file, "--json")
    assert (code, json.loads(shown)["verdict"]) == (0, "drift")
    code, shown = ran("--window", "latest")
    assert code == 0
    assert "training rows" in shown
    assert "a file, or else --window" in ran()[1]
    assert "a file, or else --window" in ran("a.csv", "--window", "latest")[1]
    assert "no window" in ran("--window", "1970-03-01")[1]


class Near(httpx.BaseTransport):
    """Takes a client's requests to the application in this process."""

    def __init__(self, client: Client) -> None:
        self.client = client

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        found = self.client.request(request.method, request.url.raw_path.decode())
        return httpx.Response(found.status_code, content=found.content)


def test_a_loop_of_another_machine_has_them_too(client: Client, project: Project) -> None:
    loop = Server("http://there", transport=Near(client)).loop()
    assert loop.profile(DAY, segment="<k>=x").rows == 100
    assert loop.profile_report().start == 2 * DAY
    assert loop.profile_report(DAY, 3 * DAY).rows == 400
    with pytest.raises(NotFound, match="<k>=x, <k>=y"):
        loop.profile(segment="no")
