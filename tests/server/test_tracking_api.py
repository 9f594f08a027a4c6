"""Experiments, runs and logging on the own API."""

from __future__ import annotations

import io
import math
from typing import Any

import msgspec
import polars as pl
import pytest
from server_helpers import Client, Connect

from everloop.loop.project import Project
from everloop.tracking.records import Point
from everloop.tracking.wire import Begin, Columns, Record

V1 = "/api/v1"
RUN = "a" * 32


def made(client: Client, **body: Any) -> dict[str, Any]:
    answer = client.post(f"{V1}/runs", json={"experiment": "e", **body})
    assert answer.status_code == 201, answer.text
    found: dict[str, Any] = answer.json()
    return found


def log(client: Client, run: str, **body: Any) -> int:
    return client.post(f"{V1}/runs/{run}/log", json=body).status_code


def test_an_experiments_life(client: Client) -> None:
    answer = client.post(f"{V1}/experiments", json={"name": "one", "tags": {"t": "1"}})
    assert answer.status_code == 201
    path = f"{V1}/experiments/{answer.json()['id']}"
    assert client.get(path).json()["tags"] == {"t": "1"}
    assert client.request("PATCH", path, json={"name": "two"}).json()["name"] == "two"
    changed = client.post(f"{path}/tags", json={"set": {"u": "2"}, "remove": ["t"]})
    assert changed.json()["tags"] == {"u": "2"}
    found = client.get(f"{V1}/experiments", params={"filter": "tags.u = '2'"}).json()
    assert [e["name"] for e in found["items"]] == ["two"]
    assert client.delete(path).json()["deleted"] is not None
    names = lambda view: [  # noqa: E731
        e["name"] for e in client.get(f"{V1}/experiments?view={view}").json()["items"]
    ]
    assert "two" not in names("active") and names("deleted") == ["two"]
    assert client.post(f"{path}/restore").json()["deleted"] is None
    assert client.post(f"{V1}/experiments", json={"name": "two"}).status_code == 409


def test_a_runs_life(client: Client) -> None:
    run = made(client, name="n", user="u", params={"p": 1}, tags={"t": "1"}, run=RUN)
    assert run["id"] == RUN and run["params"] == {"p": "1"} and run["experiment"] == "e"
    path = f"{V1}/runs/{RUN}"
    points = [{"key": "a/b", "value": v, "step": i, "at": i} for i, v in enumerate((1, "NaN", 3))]
    assert log(client, RUN, points=points, params={"q": True}, tags={"u": "2"}) == 200
    found = client.get(path).json()
    assert found["metrics"]["a/b"]["value"] == 3 and found["params"] == {"p": "1", "q": "true"}
    history = client.get(f"{path}/history", params={"key": "a/b", "limit": 2}).json()
    assert [p["value"] for p in history["items"]] == [1, None]
    rest = client.get(f"{path}/history", params={"key": "a/b", "before": history["next"]}).json()
    assert [p["step"] for p in rest["items"]] == [2] and rest["next"] is None
    sampled = client.get(f"{path}/sampled", params={"key": "a/b", "limit": 2}).json()
    assert {0, 2} <= {p["step"] for p in sampled["points"]}
    assert "t" not in client.post(f"{path}/remove-tags", json={"tags": ["t"]}).json()["tags"]
    ended = client.request("PATCH", path, json={"status": "FINISHED", "finished": 9, "name": "m"})
    assert (ended.json()["status"], ended.json()["finished"], ended.json()["name"]) == (
        "FINISHED", 9, "m",
    )  # fmt: skip
    assert client.delete(path).status_code == 200
    assert log(client, RUN, tags={"x": "1"}) == 409
    assert client.post(f"{path}/restore").json()["deleted"] is None
    assert log(client, RUN, tags={"x": "1"}) == 200


def test_runs_are_searched_and_paged(client: Client) -> None:
    for i in range(5):
        run = made(client, params={"i": i}, started=i)
        log(client, run["id"], points=[{"key": "m", "value": (i * 3) % 5}])
    made(client, experiment="other")
    ask = lambda **query: client.get(f"{V1}/runs", params=query).json()  # noqa: E731
    order = {"order_by": "metrics.m DESC", "experiment": "e"}
    got = [run["metrics"]["m"]["value"] for run in ask(**order)["items"]]
    assert got == [4, 3, 2, 1, 0]
    first = ask(limit=2, **order)
    second = ask(limit=2, before=first["next"], **order)
    assert [r["metrics"]["m"]["value"] for r in second["items"]] == [2, 1]
    assert len(ask(filter="metrics.m > 2")["items"]) == 2
    assert len(ask()["items"]) == 6
    assert client.get(f"{V1}/runs?experiment=none").status_code == 404


def test_all_runs_as_arrow(client: Client, project: Project) -> None:
    for i in range(3):
        project.runs.log(made(client, params={"i": i})["id"], points=[Point("m", i, 1, 1)])
    answer = client.get(f"{V1}/runs.arrow", params={"filter": "metrics.m > 0"})
    assert answer.headers["content-type"] == "application/vnd.apache.arrow.stream"
    frame = pl.read_ipc_stream(io.BytesIO(answer.content))
    assert frame["params.i"].to_list() == ["1", "2"]
    assert frame["metrics.m"].to_list() == [1.0, 2.0]
    assert client.get(f"{V1}/runs.arrow", params={"filter": "nonsense"}).status_code == 422


def test_a_record_of_the_native_client(client: Client, project: Project) -> None:
    columns = Columns(["a"], b"\0" * 8, b"\1" + b"\0" * 15, b"\2" + b"\0" * 15, b"\0" * 16)
    record = Record(client="c" * 32, sequence=1, run=RUN, begin=Begin("e"), points=columns)

    def send(content: bytes, run: str = RUN) -> Any:
        headers = {"content-type": "application/msgpack"}
        return client.post(f"{V1}/runs/{run}/log", content=content, headers=headers)

    assert send(msgspec.msgpack.encode(record)).json() == {"new": True}
    assert send(msgspec.msgpack.encode(record)).json() == {"new": False}
    assert len(project.runs.history(RUN, "a").items) == 2
    assert send(b"nonsense").status_code == 422
    assert send(msgspec.msgpack.encode(record), "b" * 32).status_code == 422
    assert send(b"{}").status_code == 422


@pytest.mark.parametrize(
    ("method", "path", "body", "status"),
    [
        ("POST", "/experiments", {}, 422),
        ("POST", "/experiments", {"name": ""}, 422),
        ("POST", "/experiments", {"name": "x", "color": "red"}, 422),
        ("GET", "/experiments/x", None, 422),
        ("GET", "/experiments/99999999999999999999", None, 404),
        ("GET", "/experiments?view=none", None, 422),
        ("GET", "/experiments?order_by=;drop", None, 422),
        ("PATCH", "/experiments/77", {"name": "y"}, 404),
        ("POST", "/runs", {"run": "short"}, 422),
        ("POST", "/runs", {"params": {"k" * 300: 1}}, 422),
        ("GET", "/runs?before=forged", None, 422),
        ("GET", "/runs?limit=1000000", None, 422),
        ("GET", "/runs?filter=params.a%20=%20%27%27;drop", None, 422),
        ("GET", f"/runs/{RUN}", None, 404),
        ("PATCH", f"/runs/{RUN}", {"status": "DONE"}, 422),
        ("GET", f"/runs/{RUN}/history", None, 422),
        ("GET", f"/runs/{RUN}/sampled?key=a&first=1", None, 422),
        ("POST", f"/runs/{RUN}/log", {"points": [{"key": "a"}]}, 422),
        ("POST", f"/runs/{RUN}/log", {"points": [{"key": "a", "value": "high"}]}, 422),
        ("POST", f"/runs/{RUN}/log", {"points": [{"key": "a", "value": 1, "step": 2**70}]}, 422),
        ("POST", f"/runs/{RUN}/log", {"tags": {"a": "b"}}, 404),
        ("POST", f"/runs/{RUN}/log", {"points": [{"key": "a", "value": 1}] * 10_001}, 422),
        ("POST", "/runs", {"started": 2**63}, 422),
        ("POST", "/runs", {"tags": {"": "x"}}, 422),
        ("GET", f"/runs/{RUN}/live", None, 404),
    ],
)
def test_bad_input_is_said_and_changes_nothing(
    client: Client, project: Project, method: str, path: str, body: Any, status: int
) -> None:
    answer = client.request(method, V1 + path, json=body)
    assert answer.status_code == status, answer.text
    assert answer.json()["error"]["message"]
    assert project.runs.search(view="all").items == []


def test_permissions(connect: Connect) -> None:
    nobody = connect(token="a-token-of-some-length")
    for method, path in (("GET", "/runs"), ("POST", f"/runs/{RUN}/log"), ("GET", "/runs.arrow"),
                         ("GET", f"/runs/{RUN}/live"), ("DELETE", "/experiments/1")):  # fmt: skip
        assert nobody.request(method, V1 + path).status_code == 401


def test_not_a_number_survives_the_columns(client: Client, project: Project) -> None:
    run = made(client)["id"]
    assert log(client, run, points=[{"key": "a", "value": "-Infinity"}]) == 200
    assert project.runs.get(run).metrics["a"].value == -1.7976931348623157e308
    assert log(client, run, points=[{"key": "a", "value": "NaN", "step": 1}]) == 200
    assert math.isnan(project.runs.get(run).metrics["a"].value)
