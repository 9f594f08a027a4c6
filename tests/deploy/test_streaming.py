"""Answers one at a time: server-sent events, websockets, generators that stop and are bounded."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from pathlib import Path

import httpx
import pytest
import websockets
from serving_harness import ROW, Serving
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import connect

import everloop as el
from everloop.data.schema import Feature, Schema
from everloop.deploy.package import Limits, Package
from everloop.deploy.packaging import write_package
from everloop.deploy.state import Arm, package_path
from everloop.errors import EverloopError, InvalidInput, Unavailable
from waiting import wait_for

CODE = """
import time
open_now = 0
def predict_stream(row):
    global open_now
    open_now += 1
    try:
        count = int(row["x"])
        for step in range(count):
            if row["mode"] == "slow": time.sleep(0.02)
            if row["mode"] == "fail" and step == 2: raise RuntimeError("inside")
            yield step * 10.0
    finally:
        open_now -= 1
def predict(rows):
    return [float(open_now)] * len(rows)
"""
SCHEMA = Schema(
    features=(
        Feature("x", "number"),
        Feature("mode", "category", ("quick", "slow", "fail"), nullable=True),
    ),
    target="y",
    task="regression",
)
EVENTS = {"accept": "text/event-stream"}


def row(count: float, mode: str = "quick") -> dict:
    return {"x": count, "mode": mode}


@pytest.fixture(scope="module")
def serving(tmp_path_factory, shared_project):
    """A model that streams, ``own``, and one that does not, ``flights``."""
    project = shared_project
    package = Package(
        model="own", task="regression", algorithm="python", created=1, schema=SCHEMA,
        runtime="python", limits=Limits("model:predict", seconds=5),
    )  # fmt: skip
    fresh = project.state / "packages" / "fresh"
    digest = write_package(fresh, package, {"code/model.py": CODE.encode()}, project.keys)
    fresh.rename(package_path(project.state, digest))
    project.want(own=[Arm(2, digest)], flights=[Arm(1, project.linear())])
    running = Serving(project.folder)
    yield running
    running.stop()


def events(serving: Serving, rows, endpoint: str = "own", **headers: str) -> list[tuple[str, dict]]:
    answer = serving.predict(rows, endpoint, headers={**EVENTS, **headers})
    assert answer.status_code == 200, answer.text
    return parsed(answer)


def parsed(answer: httpx.Response) -> list[tuple[str, dict]]:
    assert answer.headers["content-type"] == "text/event-stream"
    found, kind = [], ""
    for line in answer.text.splitlines():
        if line.startswith("event: "):
            kind = line[7:]
        elif line.startswith("data: "):
            found.append((kind, json.loads(line[6:])))
            kind = ""
    return found


def test_events_of_a_model_that_streams(serving) -> None:
    *steps, (kind, end) = events(serving, [row(3), row(1)], **{"x-request-id": "s1"})
    assert [(said["row"], said["step"], said["y_pred"], said["id"]) for _, said in steps] == [
        (0, 0, 0.0, "s1-0"), (0, 1, 10.0, "s1-0"), (0, 2, 20.0, "s1-0"), (1, 0, 0.0, "s1-1"),
    ]  # fmt: skip
    assert (kind, end) == ("end", {"rows": 2, "events": 4, "version": 2, "request": "s1"})
    logged = [r for r in serving.records() if r["request"] == "s1"]
    assert [(r["ids"], r["y"], r["steps"], r["columns"]["x"]) for r in logged] == [
        (["s1-0"], [20.0], 3, [3]), (["s1-1"], [0.0], 1, [1]),
    ]  # fmt: skip


def test_events_of_one_that_does_not(serving) -> None:
    *steps, (kind, end) = events(serving, [ROW, ROW], "flights")
    assert [said["y_pred"] for _, said in steps] == pytest.approx([10.0, 10.0])
    assert kind == "end" and end["events"] == 2


def test_what_is_wrong_before_the_first_event_is_an_answer(serving) -> None:
    for body, status in (([{"x": "a"}], 422), (b"{", 400), ([row(0)], 500)):
        sent = {"content": body} if isinstance(body, bytes) else {"json": body}
        answer = serving.http.post("/endpoints/own/predict", headers=EVENTS, **sent)
        assert answer.status_code == status, answer.text
    answer = serving.predict([row(3)], "none", headers=EVENTS)
    assert answer.status_code == 404
    late = {**EVENTS, "x-everloop-deadline-ms": "0"}
    assert serving.predict([row(3)], "own", headers=late).status_code == 504


def test_a_failure_and_a_deadline_within_the_stream_are_events(serving) -> None:
    *steps, (kind, said) = events(serving, [row(5, "fail")], **{"x-request-id": "s2"})
    assert len(steps) == 2 and kind == "error" and said["error"]["code"] == "model_failed"
    assert "inside" not in json.dumps(said)
    [logged] = [r for r in serving.records() if r["request"] == "s2"]
    assert (logged["y"], logged["steps"]) == ([], 2) and "inside" in logged["error"]
    late = {**EVENTS, "x-everloop-deadline-ms": "300"}

    def begun() -> httpx.Response | None:  # on a busy machine the time may be over before that
        answer = serving.predict([row(500, "slow")], "own", headers=late)
        return answer if answer.status_code == 200 else None

    *steps, (kind, said) = parsed(wait_for(begun))
    assert steps and (kind, said["error"]["code"]) == ("error", "deadline_exceeded")


def open_streams(serving: Serving) -> float:
    return serving.predict([row(1)], "own").json()["y_pred"][0]


def test_a_caller_who_leaves_stops_the_generator(serving) -> None:
    body = json.dumps([row(90_000, "slow")]).encode()
    head = (
        "POST /endpoints/own/predict HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n"
        f"x-request-id: s3\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as connection:
        connection.sendall(head.encode() + body)
        seen = b""
        while b"data:" not in seen:
            seen += connection.recv(65536)
        assert open_streams(serving) == 1
    wait_for(lambda: open_streams(serving) == 0)
    wait_for(lambda: [r for r in serving.records() if r["request"] == "s3"])
    assert serving.status()["endpoints"]["own"]["queue"]["active"] == 0


def test_a_caller_who_reads_slowly_slows_the_model(serving) -> None:
    body = json.dumps([row(99_000)]).encode()
    head = (
        "POST /endpoints/own/predict HTTP/1.1\r\nhost: localhost\r\naccept: text/event-stream\r\n"
        f"x-request-id: s4\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", serving.port), timeout=60) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.sendall(head.encode() + body)
        connection.recv(1024)
        time.sleep(0.5)
        assert serving.predict([ROW], "flights").status_code == 200
    wait_for(lambda: [r for r in serving.records() if r["request"] == "s4"])
    [logged] = [r for r in serving.records() if r["request"] == "s4"]
    assert logged["steps"] < 99_000


def test_generate_stream_of_the_open_inference_protocol(serving) -> None:
    path = "/v2/models/own/versions/2/generate_stream"
    answer = serving.http.post(path, json=row(2))
    said = [json.loads(line[6:]) for line in answer.text.splitlines() if line[:5] == "data:"]
    assert [one.get("y_pred") for one in said] == [0.0, 10.0, None]
    assert (said[0]["model_name"], said[0]["model_version"]) == ("own", "2")
    assert serving.http.post("/v2/models/own/versions/9/generate_stream", json=row(2)).is_error
    assert "error" in serving.http.post("/v2/models/own/generate_stream", content=b"[").json()


def test_many_messages_of_a_websocket(serving) -> None:
    with connect(f"ws://127.0.0.1:{serving.port}/endpoints/own/stream") as ws:
        for count in (2, 1, 3):
            ws.send(json.dumps([row(count)]))
        ws.send(b'{"x": "many"}')
        said = [json.loads(ws.recv(timeout=30)) for _ in range(2 + 1 + 1 + 1 + 3 + 1 + 1)]
    assert [one.get("y_pred", one.get("end", {}).get("events")) for one in said] == [
        0.0, 10.0, 2, 0.0, 1, 0.0, 10.0, 20.0, 3, None,
    ]  # fmt: skip
    assert said[-1]["error"]["code"] and said[-1]["error"]["path"].startswith("$")
    with connect(f"ws://127.0.0.1:{serving.port}/endpoints/flights/stream") as ws:
        ws.send(json.dumps([ROW, ROW]))
        assert [json.loads(ws.recv(timeout=30)).get("row") for _ in range(3)] == [0, 1, None]


def test_a_websocket_that_is_left_stops_the_generator(serving) -> None:
    with connect(f"ws://127.0.0.1:{serving.port}/endpoints/own/stream") as ws:
        ws.send(json.dumps([row(90_000, "slow")]))
        ws.recv(timeout=30)
        assert open_streams(serving) == 1
    wait_for(lambda: open_streams(serving) == 0)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/endpoints/none/stream", {}, 404),
        ("/endpoints/own/predict", {}, 405),
        ("/nowhere", {}, 404),
        ("/stream", {}, 404),
        ("/endpoints/own/stream", {"Host": "evil.example"}, 403),
        ("/endpoints/own/stream", {"Origin": "http://evil.example"}, 403),
    ],
)
def test_a_websocket_that_is_refused(serving, path, headers, status) -> None:
    async def ask() -> int:
        url = f"ws://127.0.0.1:{serving.port}{path}"
        with pytest.raises((InvalidStatus, ConnectionClosed)) as caught:
            async with websockets.connect(url, additional_headers=headers, open_timeout=30):
                pass
        return caught.value.response.status_code

    assert asyncio.run(ask()) == status
    assert serving.http.get("/endpoints/own/stream").status_code == 426


def test_hostile_messages_leave_the_server_well(serving) -> None:
    with connect(f"ws://127.0.0.1:{serving.port}/endpoints/own/stream") as ws:
        for message in (b"\xff\xfe", b"", "[" * 100_000, "null", json.dumps({"x": 1})):
            ws.send(message)
            assert "error" in json.loads(ws.recv(timeout=30)), message
        ws.send(json.dumps([row(1)]))
        assert json.loads(ws.recv(timeout=30))["y_pred"] == 0.0
    url = f"ws://127.0.0.1:{serving.port}/endpoints/own/stream"
    with pytest.raises(ConnectionClosed), connect(url, close_timeout=1) as ws:
        ws.send(b"x" * (17 << 20))  # a frame beyond 16 MiB
        ws.recv(timeout=60)
    raw = serving.raw(
        b"GET /endpoints/own/stream HTTP/1.1\r\nhost: localhost\r\nupgrade: websocket\r\n"
        b"connection: upgrade\r\nsec-websocket-version: 7\r\n\r\n"
    )
    assert b" 101 " not in raw
    assert serving.http.get("/health").status_code == 200


def test_a_missing_value_that_the_model_has_no_answer_to(serving) -> None:
    for headers in ({}, EVENTS):
        answer = serving.predict([ROW, {**ROW, "x2": None}], "flights", headers=headers)
        assert answer.status_code == 422, answer.text
        said = answer.json()["error"]
        assert (said["code"], said["path"]) == ("missing_value", "$[1].x2")


def test_the_client_streams(serving) -> None:
    with el.Endpoint(serving.url, "own") as own:
        assert [event.y_pred for event in own.stream([row(3)])] == [0.0, 10.0, 20.0]
        for _ in own.stream([row(90_000, "slow")]):
            break
        wait_for(lambda: open_streams(serving) == 0)
        with pytest.raises(InvalidInput, match="mode"):
            next(own.stream([{"x": 1, "mode": 7}]))
        with pytest.raises(EverloopError, match="failed on this request"):
            list(own.stream([row(3, "fail")]))
    with (
        pytest.raises(Unavailable, match="does not answer"),
        el.Endpoint("http://127.0.0.1:9") as no,
    ):
        next(no.stream([row(1)]))

    async def ask() -> list[float]:
        async with el.AsyncEndpoint(serving.url, "flights") as flights:
            return [event.y_pred async for event in flights.stream([ROW, ROW])]

    assert asyncio.run(ask()) == pytest.approx([10.0, 10.0])


def test_the_document_says_it(serving) -> None:
    paths = serving.http.get("/openapi.json").json()["paths"]
    answer = paths["/endpoints/own/predict"]["post"]["responses"]["200"]["content"]
    assert answer["text/event-stream"]["schema"]["properties"]["y_pred"] == {"type": "number"}
    streamed = paths["/v2/models/own/generate_stream"]["post"]
    assert "text/event-stream" in streamed["responses"]["200"]["content"]
    explained = paths["/v1/models/own:explain"]["post"]["requestBody"]["content"]
    assert "instances" in explained["application/json"]["schema"]["properties"]
    assert "/endpoints/own/stream" in paths


def test_the_end_of_the_server_ends_a_stream(start, project, tmp_path: Path) -> None:
    package = Package(
        model="own", task="regression", algorithm="python", created=1, schema=SCHEMA,
        runtime="python", limits=Limits("model:predict"),
    )  # fmt: skip
    fresh = project.state / "packages" / "fresh"
    digest = write_package(fresh, package, {"code/model.py": CODE.encode()}, project.keys)
    fresh.rename(package_path(project.state, digest))
    project.want(own=[Arm(2, digest)])
    serving = start(project.folder)
    with connect(f"ws://127.0.0.1:{serving.port}/stream") as ws:
        ws.send(json.dumps([row(90_000, "slow")]))
        ws.recv(timeout=30)
        assert serving.stop() == 0
