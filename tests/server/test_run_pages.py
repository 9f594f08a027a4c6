"""A run's page and its files, runs side by side, their curves, and studies, over HTTP."""

from __future__ import annotations

import io
import math
import re

import msgspec
import polars as pl
import pytest
from server_helpers import Client

from everloop.loop.project import Project
from everloop.tracking.artifacts.paths import key_of
from everloop.tracking.records import Point

EVIL = '<script>alert("x")</script>'
HTML = {"accept": "text/html"}
CURVES = "/api/v1/metrics/curves"


def logged(project: Project, name: str, rate: float, **params: str) -> str:
    """A run with a curve that falls as fast as ``rate`` says."""
    run = project.runs.start("sweep", name)
    points = [Point("loss", math.exp(-rate * i), 10**12 + i * 1000, i) for i in range(30)]
    points.append(Point("accuracy", rate, 10**12, 0))
    project.runs.log(run, params={"rate": rate, "seed": "7"} | params, points=points)
    return run


def put(project: Project, run: str, files: dict[str, bytes]) -> None:
    for path, data in files.items():
        project.artifacts.put(f"{key_of(project.runs.get(run).location)}/{path}", data)


def test_curves_come_by_column(client: Client, project: Project) -> None:
    runs = [logged(project, name, rate) for name, rate in (("slow", 0.1), ("fast", 1.0))]
    asked = {"runs": ",".join(runs), "key": "loss", "x": "relative", "from": "-1", "points": "10"}
    found = client.get(CURVES, params=asked | {"to": "4500"}).json()
    assert [curve["name"] for curve in found["curves"]] == ["slow", "fast"]
    assert [curve["step"] for curve in found["curves"]] == [[0, 1, 2, 3, 4]] * 2
    wide = client.get(CURVES, params=asked | {"from": "0", "to": str(2**63 - 1)}).json()
    assert [curve["points"] for curve in wide["curves"]] == [30, 30]
    assert {curve["begun"] for curve in found["curves"]} == {10**12}
    found = client.get(CURVES, params={"runs": runs[0], "key": "loss", "points": "10"}).json()
    (curve,) = found["curves"]
    assert (curve["step"][0], curve["step"][-1], curve["points"]) == (0, 29, 30)
    assert max(curve["value"]) == 1.0 and len(curve["step"]) <= 10
    drawn = client.get(CURVES + ".svg", params={"runs": ",".join(runs), "key": "loss", "log": "1"})
    assert drawn.headers["content-type"] == "image/svg+xml"
    assert "sandbox" in drawn.headers["content-security-policy"]
    assert drawn.text.count('class="line s') == 4 and "log10 of loss" in drawn.text


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"runs": "", "key": "loss"}, "query.runs"),
        ({"runs": ",".join(f"r{i}" for i in range(51)), "key": "loss"}, "at most 50"),
        ({"runs": "none", "key": "loss"}, "There is no run"),
        ({"runs": "none"}, "query.key"),
        ({"runs": "none", "key": "loss", "x": "sideways"}, "relative"),
        ({"runs": "none", "key": "loss", "smooth": "2"}, "0 to 0.99"),
        ({"runs": "none", "key": "loss", "points": "3"}, "from 10"),
    ],
)
def test_what_curves_refuse(client: Client, asked: dict[str, str], said: str) -> None:
    refused = client.get(CURVES + ".svg", params=asked)
    assert refused.status_code in (404, 422) and said in refused.json()["error"]["message"]


def test_a_comparison_shows_what_differs_and_what_is_best(client: Client, project: Project) -> None:
    runs = [logged(project, name, rate, note=EVIL) for name, rate in ((EVIL, 0.1), ("fast", 1.0))]
    ids = ",".join(runs)
    html = client.get("/runs/compare", params={"runs": ids, "smooth": "0.5"}, headers=HTML).text
    assert "<script>" not in html and not re.search(r"\sstyle=|\son\w+=", html)
    assert 'smooth="0.5"' in html and "2 more</a> are the same" in html
    page = client.get("/runs/compare.json", params={"runs": ids}).json()
    assert [line["key"] for line in page["params"]] == ["rate"] and page["drawn"] == ["loss"]
    best = {line["key"]: (line["best"], line["lower"]) for line in page["metrics"]}
    assert best == {"accuracy": ([1], False), "loss": ([1], True)}
    assert [c["name"] for c in page["columns"]] == [
        "params.rate",
        "metrics.accuracy",
        "metrics.loss",
    ]
    every = client.get("/runs/compare.json", params={"runs": runs, "every": "1"}).json()
    assert [line["key"] for line in every["params"]] == ["note", "rate", "seed"]


def test_a_comparison_takes_fifty_runs(client: Client, project: Project) -> None:
    assert "Tick up to 50 runs" in client.get("/runs/compare", headers=HTML).text
    many = ",".join(f"r{i}" for i in range(51))
    refused = client.get("/runs/compare", params={"runs": many}, headers=HTML)
    assert refused.status_code == 422
    assert "query.runs: got '51 runs', expected at most 50." in refused.text.replace("&#39;", "'")
    assert client.get("/runs/compare.json", params={"runs": "none"}).status_code == 404


def test_files_are_shown_by_what_they_are(client: Client, project: Project) -> None:
    run = logged(project, "r", 0.5)
    frame = io.BytesIO()
    pl.DataFrame({"u": [1, None], "v": ["a", EVIL]}).write_parquet(frame)
    put(project, run, {
        "t.csv": b"a,b\n1,\"x,y\"\n", "data/t.parquet": frame.getvalue(),
        "rows.json": msgspec.json.encode([{"k": 1}, {"k": 2, "m": None}]),
        "mlflow.json": b'{"columns": ["q"], "data": [[5]]}', "deep.json": b'{"a":{"b":1}}',
        "note.md": f"# {EVIL}".encode(), "model.bin": b"\0\1", "long.txt": b"x" * 100_000,
        "p.svg": b"<svg/>", "broken.parquet": b"PAR1",
    })  # fmt: skip

    def shown(file: str) -> dict[str, object]:
        page = client.get(f"/runs/{run}.json", params={"file": file}).json()
        assert client.get(f"/runs/{run}", params={"file": file}).text.count("<script>") == 0
        return dict(page["preview"])

    for file, columns, rows in (
        ("t.csv", ["a", "b"], [["1", "x,y"]]),
        ("data/t.parquet", ["u", "v"], [["1", "a"], ["", EVIL]]),
        ("rows.json", ["k", "m"], [["1", ""], ["2", ""]]),
        ("mlflow.json", ["q"], [["5"]]),
    ):
        found = shown(file)
        assert (found["kind"], found["columns"], found["rows"]) == ("table", columns, rows)
    assert '"b": 1' in str(shown("deep.json")["text"])
    assert shown("note.md")["text"] == f"# {EVIL}" and shown("p.svg")["kind"] == "image"
    assert shown("model.bin")["said"] == "This file is not text."
    assert str(shown("broken.parquet")["said"]).startswith("It cannot be shown")
    long = shown("long.txt")
    assert len(str(long["text"])) == 65536 and long["said"] == "The first 64 kB of it."
    assert client.get(f"/runs/{run}", params={"file": "none"}).status_code == 404
    assert client.get(f"/runs/{run}", params={"file": "../x"}).status_code == 422


def test_a_page_among_the_files_is_in_a_sandbox(client: Client, project: Project) -> None:
    run = logged(project, "r", 0.5)
    put(project, run, {"a/report.html": EVIL.encode(), "x.txt": b""})
    framed = client.get(f"/runs/{run}/preview/a/report.html")
    policy = framed.headers["content-security-policy"]
    assert policy.startswith("sandbox; default-src 'none';") and "allow-" not in policy
    assert framed.headers["x-frame-options"] == "SAMEORIGIN" and framed.text == EVIL
    assert (
        'sandbox title="a/report.html"'
        in client.get(f"/runs/{run}", params={"file": "a/report.html"}).text
    )
    assert client.get(f"/runs/{run}/preview/x.txt").status_code == 422


def test_a_run_says_where_it_belongs(client: Client, project: Project) -> None:
    run = logged(project, "outer", 0.5)
    child = project.runs.start("sweep", "inner", {"mlflow.parentRunId": run})
    project.registry.create_model("m", actor="t")
    project.registry.create_version("m", source="s3://b/m", run=run, actor="t")
    html = client.get(f"/runs/{run}").text
    assert f"/runs/{child}" in html and "/models/m/versions/1" in html
    assert f'href="/runs/{run}"' in client.get(f"/runs/{child}").text
    study = client.get(f"/studies/{run}.json").json()  # a sweep of one's own
    assert [trial["run"] for trial in study["trials"]] == [child]


def test_a_study_tells_its_best_and_what_mattered(client: Client, project: Project) -> None:
    states = ["complete", "complete", "complete", "pruned", "failed"]
    for i in range(20):
        rate, depth = 10.0 ** -(i % 4), float(i % 5)
        tags = {"study": "s1", "trial": str(i), "state": states[i % 5], "cycle": "c1"}
        run = project.runs.start("flights", f"trial {i}", tags)
        score = 0.9 - abs(math.log10(rate) + 2) / 10 + i / 10_000
        points = [Point("validation_roc_auc", score, 1, 0), Point("fit_seconds", 1.0 + depth, 1, 0)]
        params = {"algorithm": "forest", "rate": rate, "depth": depth}
        project.runs.log(run, params=params, points=points)
        project.runs.finish(run)
    page = client.get("/studies/s1.json", params={"importance": "pedanova"}).json()
    assert (page["metric"], page["lower"], page["best"]) == ("validation_roc_auc", False, 10)
    assert page["best"] in page["front"]
    front = {(page["trials"][i]["value"], page["trials"][i]["against"]) for i in page["front"]}
    for trial in page["trials"]:
        if trial["state"] == "complete":
            assert any(v >= trial["value"] and a <= trial["against"] for v, a in front)
    assert page["importances"][0]["param"] == "rate"
    html = client.get("/studies/s1", params={"importance": "fanova"}).text
    assert "The best so far is" in html and html.count("<svg") > 3 and "/cycles/c1" in html
    assert client.get("/studies/none").status_code == 404
    assert client.get("/studies/s1", params={"importance": "magic"}).status_code == 422
