"""An endpoint as an operator sees it: traffic, evidence, predictions, a try, and the way back."""

from __future__ import annotations

import json
from urllib.parse import parse_qsl, urlsplit

import msgspec
import numpy as np
import pytest
import shelf
import sqlalchemy as sa
from shelf import EVIL, NAME, Shelf
from starlette.testclient import TestClient

from everloop.console.endpoints.asking import fields_of, row_of, tried_of
from everloop.console.endpoints.listed import read_endpoints
from everloop.console.endpoints.traffic import Traffic
from everloop.console.endpoints.trails import trail_chart, trails_of
from everloop.data.schema import Feature
from everloop.deploy.guards import Batch, Rows
from everloop.deploy.guards.shift import Shift
from everloop.deploy.spec import RolloutSpec
from everloop.deploy.trail import MOST, Look, Mark, keep
from everloop.errors import InvalidInput
from everloop.loop.declaration import from_dict


def test_an_endpoint_draws_its_traffic_and_its_evidence(ask: TestClient) -> None:
    page = ask.get("/endpoints/shop").text
    for drawn in ("Requests a second", "Latency", "Share of failed requests",
                  "version 3: error rate", "version 3: shift"):  # fmt: skip
        assert f'aria-label="{drawn}' in page, drawn
    assert "log10 of the e-value" in page and "next stage" in page and "boundary" in page
    trails = ask.get("/endpoints/shop.json").json()["trial"]["trails"]
    assert [(one["name"], one["kind"]) for one in trails] == [
        ("error_rate", "interval"), ("shift", "evidence"),
    ]  # fmt: skip
    assert trails[1]["spots"][-1]["bound"] == pytest.approx(3.0 / np.log(10))


def test_predictions_come_newest_first_and_each_once(ask: TestClient) -> None:
    rows: list[dict] = []
    before = ""
    while before is not None:
        query = {"before": before} if before else {}
        page = ask.get("/endpoints/shop/predictions.json", params=query).json()
        rows += page["rows"]
        before = page["next"]
    assert len(rows) == 62 and len({(row["id"], row["arm"]) for row in rows}) == 62
    keys = [(row["time"], row["id"]) for row in rows]
    assert keys == sorted(keys, reverse=True)
    failed, newest = rows[0], next(row for row in rows if row["id"] == "r40")
    assert (failed["id"], failed["error"], failed["answer"]) == ("r60", EVIL, None)
    assert newest["feedback"]["label"] == "no" and rows[1]["feedback"] is None
    assert newest["shares"][0] == ["yes", 0.75]
    assert newest["hidden"] == ["note"] and newest["why"].startswith("/models/")
    query = dict(parse_qsl(urlsplit(newest["why"]).query))
    row = {"age": 40.0, "town": EVIL, "member": None, "note": None}  # what is missing is named
    assert (query["do"], json.loads(query["row"])) == ("explain", row)
    assert ask.get("/endpoints/shop/predictions?before=nonsense").status_code == 422


def test_versions_that_are_compared_by_labels_have_intervals(filled: Shelf) -> None:
    spec = RolloutSpec(kind="ab", guards=("disagreement",))
    found = msgspec.structs.replace(filled.rollout, spec=spec)
    found.evidence.trail[:] = [
        Look(shelf.T0, 0, [Mark(0.1, 0.0, 0.4, 0.1)], {"2": (10, 4), "3": (10, 1)}),
        Look(shelf.T0 + 1, 0, [Mark(0.1, 0.0, 0.3, 0.1)], {"2": (90, 40), "3": (80, 8)}),
    ]
    trails = trails_of(found)
    assert [(one.version, one.name) for one in trails] == [
        (3, "disagreement"), (2, "wrong answers"), (3, "wrong answers"),
    ]  # fmt: skip
    champion, better = (one.spots[-1] for one in trails[1:])
    assert better.high is not None and champion.low is not None and better.high < champion.low
    assert "wrong answers" in trail_chart(trails[1])


def test_all_endpoints_by_few_queries(filled: Shelf, ask: TestClient) -> None:
    project, asked = filled.project, []
    counts = {"requests": 5, "rows": 5, "errors": 1, "latency_ms": {"p50": 1.0, "p99": 7.0}}
    live = [{"version": 2, "role": "champion", "weight": 0.9, "digest": "a"}]
    traffic = {"shop": Traffic(NAME, live, {"2": {"champion": counts}})}
    sa.event.listen(
        project.db.engine, "before_cursor_execute", lambda *a: asked.append(a[2]), named=False
    )
    (line,) = read_endpoints(project, traffic).endpoints
    few = len(asked)
    assert (line.state, line.requests, line.p99_ms) == ("on trial", 5, 7.0)
    assert line.health is not None and line.health.start == shelf.T0 + 180 * shelf.MINUTE
    for number in range(5):
        arm = msgspec.structs.replace(shelf.arms(project)[0], weight=1.0)
        project.endpoints.set_rollout(f"more{number}", NAME, [arm], actor="t")
    asked.clear()
    read_endpoints(project, traffic)
    assert len(asked) == few <= 8
    assert "away" in ask.get("/endpoints").text


def test_a_form_is_made_from_what_the_model_reads(ask: TestClient) -> None:
    fields = {f["feature"]: f for f in ask.get("/endpoints/shop/try.json").json()["fields"]}
    assert {n: f["input"] for n, f in fields.items()} == {
        "age": "number", "town": "levels", "member": "select", "note": "long",
    }  # fmt: skip
    assert fields["age"]["value"] == "40" and fields["note"]["value"] == ""  # what the log hides
    page = ask.get("/endpoints/shop").text
    assert 'action="/endpoints/shop/try"' in page and 'data-copy="snippet-1"' in page
    bad = ask.post("/endpoints/shop/try", data={"x.age": "old", "x.town": EVIL})
    assert bad.status_code == 422 and 'value="old"' in bad.text and 'role="alert"' in bad.text
    away = ask.post("/endpoints/shop/try", data={"x.age": "41", "x.member": "true"})
    assert away.status_code == 200 and "does not answer" in away.text and 'value="41"' in away.text


def test_what_a_form_says_and_what_the_plane_answers() -> None:
    form = {"x.age": " 41.5 ", "x.town": "Ulm", "x.member": "false", "x.note": ""}
    row = row_of(form, shelf.SCHEMA)
    assert row == {"age": 41.5, "town": "Ulm", "member": False, "note": None}
    said = {"y_pred": ["yes"], "probabilities": [[0.2, 0.8]], "version": 2, "id": ["a"]}
    found = tried_of(200, msgspec.json.encode(said), row, NAME, shelf.SCHEMA)
    assert (found.answer, found.shares, found.id) == ("yes", [("yes", 0.8), ("no", 0.2)], "a")
    refused = msgspec.json.encode({"error": {"message": "age: no"}})
    assert tried_of(422, refused, row, NAME, shelf.SCHEMA).error == "age: no"
    assert "status 502" in (tried_of(502, b"<html>", row, NAME, shelf.SCHEMA).error or "")
    many = msgspec.structs.replace(
        shelf.SCHEMA, features=tuple(Feature(f"f{i}", "number") for i in range(200))
    )
    (whole,) = fields_of(many, {"f0": 1})
    assert (whole.input, row_of({"row": '{"f0": 2}'}, many)) == ("json", {"f0": 2})
    with pytest.raises(InvalidInput, match="row"):
        row_of({"row": "[1]"}, many)


def test_the_way_back_is_a_form(filled: Shelf, ask: TestClient) -> None:
    page = ask.get("/endpoints/shop").text
    ways = ask.get("/endpoints/shop.json").json()["ways_back"]
    assert [one["version"] for one in ways] == [1, 3]
    assert ways[0]["served"] and ways[1]["served"] is None and "Begin its rollout" not in page
    assert ask.post("/endpoints/shop", data={"do": "rollback", "version": "one"}).status_code == 422
    assert ask.post("/endpoints/shop", data={"do": "rollback", "version": "9"}).status_code == 404
    elsewhere = {"origin": "https://x.example"}
    form = {"do": "rollback", "version": "1", "comment": EVIL}
    assert ask.post("/endpoints/shop", data=form, headers=elsewhere).status_code == 403
    project = filled.project
    declared = from_dict(
        {
            "loop": {"name": "shopping"},
            "data": {"source": "a.csv", "target": "buys"},
            "deploy": {"endpoint": "shop", "rollout": {"kind": "canary"}},
        }
    ).declaration
    project.cycles.save_loop(declared, actor="t")
    assert "Begin its rollout" in ask.get("/endpoints/shop").text


def test_a_trail_keeps_few_looks_over_all_its_time() -> None:
    trail: list[Look] = []
    for second in range(5_000):
        trail = keep(trail, second * 1000, int(second > 4_000), [], {})
        assert len(trail) <= MOST
    times = [look.at for look in trail]
    assert times == sorted(times) and times[0] == 0 and times[-1] == 4_999_000
    gaps = np.diff(times)
    assert len(trail) > MOST / 4 and gaps.max() < 5 * np.median(gaps)


def test_a_shift_tells_its_evidence_and_its_boundary() -> None:
    state: dict = {}
    answers = Rows(answers=np.array([0.0, 1.0] * 100))
    Shift().observe(state, Batch(champion=answers))
    for _ in range(3):
        Shift().observe(state, Batch(canary=Rows(answers=np.ones(80)), champion=answers))
    found = Shift().judge(state, RolloutSpec(), 0.05)
    assert found.needed == pytest.approx(np.log(20)) and found.verdict == "fail"
    assert found.evidence is not None and found.evidence > found.needed
