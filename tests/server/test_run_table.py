"""The table of runs over HTTP: columns, groups, saved views, boxes, notes, completion."""

from __future__ import annotations

import re
from html import unescape
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
import sqlalchemy as sa
from server_helpers import Client, Connect

from everloop.loop.project import Project
from everloop.tracking.records import Point
from everloop.tracking.search import plan

EVIL = '<script>alert("x")</script>'
STRANGE = "\u202egnirts 🚀 <b>`"
HTML = {"accept": "text/html"}


def sent(client: Client, path: str, **fields: Any) -> httpx.Response:
    """A form's answer, sent with what its page gives a browser."""
    page = client.get("/runs", headers=HTML)
    (token, *_) = re.findall(r'name="_token" value="([^"]+)"', page.text)
    cookie = page.headers["set-cookie"].partition(";")[0]
    return posted(client, path, {"cookie": cookie}, _token=token, **fields)


def posted(client: Client, path: str, headers: dict[str, str], **fields: Any) -> httpx.Response:
    kind = {"content-type": "application/x-www-form-urlencoded"}
    return client.post(path, content=urlencode(fields, doseq=True), headers=headers | kind)


@pytest.fixture
def trees(project: Project) -> list[str]:
    """Twelve runs, of three depths."""
    made = []
    for number in range(12):
        run = project.runs.start("trees", f"tree-{number}")
        project.runs.log(
            run,
            params={"depth": str(2 + number % 3), "a b": "x"},
            points=[Point("auc", 0.5 + number / 100, 1, 0), Point("loss", 1.0 - number / 100, 1)],
            tags={"team": "it's"},
        )
        made.append(run)
    return made


def test_columns_are_chosen_and_kept(client: Client, trees: list[str]) -> None:
    usual = client.get("/runs.json").json()
    names = [one["name"] for one in usual["columns"]]
    assert names == ["status", "experiment", "start_time", "duration", "metrics.auc",
                     "metrics.loss", "params.`a b`", "params.depth"]  # fmt: skip
    asked = "columns=metrics.auc,params.`a%20b`&columns=tags.team&experiment=trees"
    page = client.get(f"/runs.json?{asked}").json()
    assert [one["name"] for one in page["columns"]] == ["metrics.auc", "params.`a b`", "tags.team"]
    assert page["runs"][0]["metrics"] == {"auc": pytest.approx(0.61)}
    assert (page["runs"][0]["params"], page["runs"][0]["tags"]) == ({"a b": "x"}, {"team": "it's"})
    assert page["keys"] == {"metrics": ["auc", "loss"], "params": ["a b", "depth"],
                            "tags": ["mlflow.runName", "team"]}  # fmt: skip
    html = client.get(f"/runs?{asked}", headers=HTML).text
    assert 'value="metrics.auc" checked' in html and 'value="metrics.loss">' in html
    for text in ("metrics.", "dataset.name", "metrics.a DESC", "nothing", "x" * 300, "'"):
        refused = client.get("/runs.json", params={"columns": text})
        assert (refused.status_code, refused.json()["error"]["code"]) == (422, "bad_columns"), text


def test_a_heading_sorts_and_says_how(client: Client, trees: list[str]) -> None:
    html = client.get("/runs?experiment=trees", headers=HTML).text
    (link,) = re.findall(r'<a href="([^"]*)"><bdi>auc</bdi></a>', html)
    sorted_ = client.get(unescape(link), headers=HTML).text
    assert 'aria-sort="descending"' in sorted_
    assert re.findall(r"<bdi>(tree-\d+)</bdi>", sorted_)[:2] == ["tree-11", "tree-10"]
    (back,) = re.findall(r'<a href="([^"]*)"><bdi>auc</bdi></a>', sorted_)
    assert re.findall(r"<bdi>(tree-\d+)</bdi>", client.get(unescape(back)).text)[0] == "tree-0"
    twice = {"order_by": 'params."a b", metrics.auc ASC'}
    assert client.get("/runs.json", params=twice).json()["runs"][0]["name"] == "tree-0"


def test_groups_lead_to_their_runs(client: Client, project: Project, trees: list[str]) -> None:
    project.runs.start("trees", "bare")
    asked = {"group_by": "params.depth", "columns": "metrics.auc,params.depth",
             "order_by": "metrics.auc DESC",
             "filter": "params.depth IS NULL OR metrics.auc > 0.52;"}  # fmt: skip
    page = client.get("/runs.json", params=asked).json()
    assert [(one["value"], one["runs"]) for one in page["groups"]] == [
        ("4", 3), ("3", 3), ("2", 3), (None, 1),
    ]  # fmt: skip
    assert page["groups"][0]["metrics"]["auc"] == {
        "runs": 3, "min": pytest.approx(0.55), "mean": pytest.approx(0.58),
        "max": pytest.approx(0.61),
    }  # fmt: skip
    for one in page["groups"]:
        inside = client.get(one["address"].replace("/runs", "/runs.json", 1)).json()
        assert len(inside["runs"]) == one["runs"]
        assert {run["params"].get("depth") for run in inside["runs"]} == {one["value"]}
    html = client.get("/runs", params=asked, headers=HTML).text
    assert "without one" in html and "0.61" in html
    by = {"by": "tags.team", "metric": "loss", "experiment": "trees"}
    (team, none) = client.get("/api/v1/runs/groups", params=by).json()["groups"]
    assert (team["value"], team["runs"], none["value"]) == ("it's", 12, None)
    assert (
        client.get("/api/v1/runs/groups?by=metrics.auc").json()["error"]["code"] == "bad_group_by"
    )
    refused = client.get("/runs?group_by=nonsense", headers=HTML)
    assert refused.status_code == 422 and "expected status, experiment" in refused.text


def test_views_are_saved_opened_and_deleted(client: Client, project: Project) -> None:
    asked = {
        "filter": "metrics.auc > 0.5",
        "columns": "metrics.auc",
        "order_by": "metrics.auc DESC",
    }
    saved = sent(client, "/runs/views", do="save", name=STRANGE, **asked)
    assert saved.status_code == 303
    page = client.get(saved.headers["location"], headers=HTML).text
    assert STRANGE.replace("<", "&lt;").replace(">", "&gt;") in page and "<b>" not in page
    assert client.get("/api/v1/views").json()["items"][0]["query"]["filter"] == asked["filter"]
    assert client.get("/runs.json").json()["views"][0]["name"] == STRANGE
    assert sent(client, "/runs/views", do="delete", name=STRANGE).status_code == 303
    assert client.get("/api/v1/views").json()["items"] == []
    body = {"filter": "metrics.auc > 0.9", "group_by": "status"}
    assert client.put("/api/v1/views/best", json=body).json()["query"]["group_by"] == "status"
    assert client.get("/api/v1/views/bets").status_code == 404
    assert client.put("/api/v1/views/best", json={"filter": "metrics."}).status_code == 422
    assert sent(client, "/runs/views", do="save", name="a/b").status_code == 422
    assert client.delete("/api/v1/views/best").json()["name"] == "best"


def test_anothers_view_is_left_alone(connect: Connect, project: Project) -> None:
    tokens = {
        name: project.people.add(name, may="write", actor="t").token for name in ("ann", "bo")
    }
    client = connect(token="the-servers-own-token-1234567890")
    ann, bo = ({"authorization": f"Bearer {token}"} for token in tokens.values())
    assert client.put("/api/v1/views/v", json={}, headers=ann).status_code == 200
    refused = client.put("/api/v1/views/v", json={}, headers=bo)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "view_of_another")
    assert client.delete("/api/v1/views/v", headers=bo).status_code == 403
    assert client.delete("/api/v1/views/v", headers=ann).status_code == 200


def test_boxes_compare_delete_and_restore(
    client: Client, project: Project, trees: list[str]
) -> None:
    some = trees[:3]
    compared = sent(client, "/runs/compared", runs=[*some, some[0]])
    assert compared.headers["location"] == "/runs/compare?runs=" + ",".join(some)
    back = "/runs?experiment=trees"
    gone = sent(client, "/runs/chosen", do="delete", runs=some, back=back)
    assert (gone.status_code, gone.headers["location"]) == (303, back)
    assert sent(client, "/runs/chosen", do="delete", runs=some).status_code == 303
    left = {run["id"] for run in client.get("/runs.json").json()["runs"]}
    assert left == set(trees[3:])
    deleted = client.get("/runs?view=deleted", headers=HTML).text
    assert deleted.count("badge bad") == 3 and "Restore chosen" in deleted
    sent(client, "/runs/chosen", do="restore", runs=some[:1], back="https://evil.example")
    assert project.runs.get(some[0]).deleted is None
    many = [str(number) for number in range(51)]
    for fields in ({"do": "delete"}, {"do": "burn", "runs": some}, {"do": "delete", "runs": "x"},
                   {"runs": some}, {"do": "delete", "runs": many}):  # fmt: skip
        assert sent(client, "/runs/chosen", **fields).status_code in (404, 422), fields
    kinds = [event.kind for event in project.events.page()]
    assert (kinds.count("run.deleted"), kinds.count("run.restored")) == (3, 1)


def test_who_may_only_read_compares_but_deletes_nothing(
    connect: Connect, project: Project, trees: list[str]
) -> None:
    token = project.people.add("reader", may="read", actor="t").token
    client = connect(token="the-servers-own-token-1234567890")
    who = {"authorization": f"Bearer {token}"}
    for path, status in (("compared", 303), ("chosen", 403)):
        answer = posted(client, f"/runs/{path}", who, do="delete", runs=trees[:2])
        assert answer.status_code == status
    answer = posted(client, f"/runs/{trees[0]}/notes", who, do="note", note="x")
    assert answer.status_code == 403
    for path in ("/runs", f"/runs/{trees[0]}"):
        html = client.get(path, headers=who | HTML).text
        for offered in ("Delete chosen", "name of this view", "Keep the note"):
            assert offered not in html, offered
    assert "Compare chosen" in client.get("/runs", headers=who | HTML).text
    assert project.runs.get(trees[0]).deleted is None


def test_notes_and_tags_are_text(client: Client, project: Project, trees: list[str]) -> None:
    run, path = trees[0], f"/runs/{trees[0]}/notes"
    assert sent(client, path, do="note", note=f"{EVIL}\r\n{STRANGE}").status_code == 303
    sent(client, path, do="tag", key=STRANGE, value=EVIL)
    sent(client, path, do="untag", key="team")
    tags = project.runs.get(run).tags
    assert tags["mlflow.note.content"] == f"{EVIL}\n{STRANGE}"
    assert tags[STRANGE] == EVIL and "team" not in tags
    html = client.get(f"/runs/{run}", headers=HTML).text
    assert "<script>" not in html and "<b>" not in html and "&lt;script&gt;" in html
    shown = client.get("/runs", params={"columns": f"tags.'{STRANGE}'"}, headers=HTML)
    assert shown.status_code == 200 and "<script>" not in shown.text
    sent(client, path, do="note", note=" ")
    assert "mlflow.note.content" not in project.runs.get(run).tags
    assert [e.kind for e in project.events.page(subject=f"run:{run}")] == ["run.annotated"] * 4
    assert sent(client, path, do="tag", key="", value="x").status_code == 422
    assert sent(client, "/runs/none/notes", do="note", note="x").status_code == 404


COMPLETED = {
    "": "metrics.auc", "au": "metrics.auc", "metrics.l": "metrics.loss",
    "NOT (par": "params.`a b`", "params.depth ": "=", "params.depth NOT ": "=",
    "params.depth L": "LIKE", "params.depth = ": "'2'", "params.depth = '3": "'3'",
    "params.`a b` IN ": "(", "params.depth IN ('2', ": "'2'", "params.depth IN ('2' ": ",",
    "tags.team = ": '"it\'s"', "tags.team IS ": "NULL", "metrics.auc > 0.5 ": "AND",
    "metrics.auc > 0.5 O": "OR", "metrics.auc > 0.5 AND params.depth = '2' AND st": "status",
    "status = 'F": "'FINISHED'", "experiment = ": "'trees'", "run_name = 'tree-1": "'tree-1'",
    "(metrics.auc > 1) ": "AND",
}  # fmt: skip


def test_a_filter_is_completed(client: Client, trees: list[str]) -> None:
    for text, first in COMPLETED.items():
        found = client.get("/api/v1/runs/complete", params={"filter": text}).json()
        assert (found["choices"][:1], found["end"]) == ([first], len(text)), text
        typed = text[found["start"] :]
        assert first.lower().find(typed.lower()) >= 0, (text, typed)


def test_where_nothing_is_known_nothing_is_offered(client: Client, trees: list[str]) -> None:
    for text in ("metrics.auc > ", "metrics.auc > 1 metrics.auc ", "zzz", "bad.field ", "a b c d",
                 "params.depth IN 'x' "):  # fmt: skip
        found = client.get("/api/v1/runs/complete", params={"filter": text})
        assert (found.status_code, found.json()["choices"]) == (200, []), text
    within = {"filter": "metrics.auc > 1 AND params.", "at": 9}
    assert client.get("/api/v1/runs/complete", params=within).json() == {
        "start": 0, "end": 9, "choices": ["metrics.auc"],
    }  # fmt: skip


PAGES = [
    "", "experiment=trees", "filter=metrics.auc > 0.5", "order_by=metrics.auc DESC",
    "order_by=params.depth ASC", "order_by=run_name ASC", "filter=status = 'RUNNING'",
    "filter=params.depth != '2'&order_by=metrics.auc DESC", "experiment=trees&view=all",
    "columns=metrics.auc,params.depth,tags.team",
]  # fmt: skip


def test_no_page_reads_a_whole_table(
    client: Client, project: Project, trees: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "FEW", 3)  # as with many runs, where not all are sorted
    monkeypatch.setattr("everloop.console.runs.table.ROWS", 4)
    statements: list[tuple[str, Any]] = []

    def seen(_: Any, __: Any, text: str, given: Any, *___: Any) -> None:
        statements.append((text, given))

    for first in PAGES:
        following = f"{first}&before={client.get(f'/runs.json?{first}').json()['next']}"
        for asked in (first, following):
            statements.clear()
            sa.event.listen(project.db.engine, "before_cursor_execute", seen)
            assert client.get(f"/runs.json?{asked}").status_code == 200
            sa.event.remove(project.db.engine, "before_cursor_execute", seen)
            assert 5 < len(statements) < 25, asked
            assert _whole_tables(project, statements) == [], asked


def _whole_tables(project: Project, statements: list[tuple[str, Any]]) -> list[str]:
    """The steps in which SQLite would go through all rows of a table of runs."""
    found = []
    with project.db.read() as conn:
        for text, given in statements:
            steps = conn.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}", given).all()
            found += [s[3] for s in steps if re.match(r"SCAN (runs|run_\w+)(?!.* USING )", s[3])]
    return found
