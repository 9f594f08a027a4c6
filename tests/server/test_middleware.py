"""What is refused before a handler sees it, and what every answer carries."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

import pytest
from server_helpers import BASE, Client, Connect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from everloop.errors import Forbidden
from everloop.server.middleware.body_limit import BodyLimit
from everloop.server.middleware.errors import Errors, json_form
from everloop.server.middleware.hosts import host_name
from everloop.server.middleware.request_id import RequestId
from hasty import HastyLoop

STATUS = "/api/v1/status"
CHECK = "/api/v1/check"


def test_pages_have_headers_for_browsers_and_data_the_few_it_needs(client: Client) -> None:
    page = client.get("/nowhere", headers={"accept": "text/html"})
    policy = page.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy  # no script and no style but those of files
    data = client.get("/health")
    for answer in (page, data):
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["cache-control"] == "no-store"
    assert "content-security-policy" not in data.headers
    assert "cache-control" not in client.post(CHECK, json={"text": ""}).headers


def test_an_answer_has_the_id_that_was_given_or_is_needed(client: Client) -> None:
    assert "x-request-id" not in client.get("/health").headers
    given = client.get("/health", headers={"x-request-id": "mine-1"})
    assert given.headers["x-request-id"] == "mine-1"
    untidy = client.get("/health", headers={"x-request-id": "a b\t<>"}).headers["x-request-id"]
    assert len(untidy) == 32
    assert len(client.get("/api/v1/nowhere").headers["x-request-id"]) == 32


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:5050", "", "[::2]"])
def test_a_foreign_host_is_refused_on_loopback(client: Client, host: str) -> None:
    answer = client.get(STATUS, headers={"host": host})
    assert answer.status_code == 421
    assert answer.json()["error"]["code"] == "foreign_host"


@pytest.mark.parametrize("host", ["localhost:5050", "127.0.0.1", "[::1]:5050", "LOCALHOST"])
def test_own_hosts_are_accepted(client: Client, host: str) -> None:
    assert client.get(STATUS, headers={"host": host}).status_code == 200


def test_beyond_loopback_any_host_is_accepted(connect: Connect) -> None:
    client = connect(host="0.0.0.0", token="s3cret")
    headers = {"host": "models.example", "authorization": "Bearer s3cret"}
    assert client.get(STATUS, headers=headers).status_code == 200


def test_host_name() -> None:
    assert [host_name(h) for h in ("[::1]:80", "A.b:1", "", "[")] == ["[::1]", "a.b", "", "[]"]


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"origin": "http://127.0.0.1:9999"},
        {"origin": "http://[bad"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_a_post_from_another_site_is_refused(client: Client, headers: dict[str, str]) -> None:
    answer = client.post(CHECK, json={"text": ""}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["error"]["code"] == "cross_origin"


@pytest.mark.parametrize("headers", [{}, {"origin": BASE}, {"sec-fetch-site": "same-origin"}])
def test_own_posts_are_accepted(client: Client, headers: dict[str, str]) -> None:
    assert client.post(CHECK, json={"text": ""}, headers=headers).status_code == 200


def test_a_token_is_asked_for_as_soon_as_one_is_set(connect: Connect) -> None:
    client = connect(token="s3cret")
    answer = client.get(STATUS)
    assert answer.status_code == 401
    assert "Bearer" in answer.headers["www-authenticate"]
    assert answer.json()["error"]["code"] == "unauthenticated"
    assert "s3cret" not in answer.text
    assert client.get("/health").status_code == 200
    assert client.get(STATUS, headers={"authorization": "Bearer s3cret"}).status_code == 200
    basic = base64.b64encode(b"anybody:s3cret").decode()
    assert client.get(STATUS, headers={"authorization": f"Basic {basic}"}).status_code == 200


@pytest.mark.parametrize(
    "value", ["Bearer wrong", "Bearer", "Basic !!", "Digest s3cret", "s3cret", "Bearer s3cret2"]
)
def test_a_wrong_token_is_refused(connect: Connect, value: str) -> None:
    answer = connect(token="s3cret").get(STATUS, headers={"authorization": value})
    assert answer.status_code == 401


def test_no_app_beyond_loopback_without_a_token(connect: Connect) -> None:
    with pytest.raises(Forbidden, match="no token is set"):
        connect(host="0.0.0.0")


def test_a_large_body_is_refused_by_its_length(connect: Connect) -> None:
    client = connect(max_body_mb=0.001)
    answer = client.post(CHECK, content=b"x" * 1001)
    assert answer.status_code == 413
    assert answer.json()["error"]["code"] == "too_large"
    assert client.post(CHECK, content=b'{"text": "' + b"x" * 900 + b'"}').status_code == 200


def test_a_large_chunked_body_is_refused_as_it_comes(connect: Connect) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(20):
            yield b"x" * 100

    answer = connect(max_body_mb=0.001).post(CHECK, content=chunks())
    assert answer.status_code == 413


def test_a_body_that_does_not_come_is_refused_in_time() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await Response("read").__call__(scope, receive, send)

    async def dribble() -> AsyncIterator[bytes]:
        for _ in range(50):
            yield b"x"
            await asyncio.sleep(0.05)

    limited = RequestId(Errors(BodyLimit(app, 1000, seconds=0.2), json_form, {}))
    client = Client(limited, loop=HastyLoop)
    answer = client.post("/x", content=dribble())
    assert answer.status_code == 408
    assert answer.json()["error"]["code"] == "slow_body"
    assert client.post("/x", content=b"xy").text == "read"


def test_a_file_may_take_its_time_while_it_comes_on() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        while (await receive()).get("more_body"):
            pass
        await Response("read").__call__(scope, receive, send)

    async def body(size: int, pause: float) -> AsyncIterator[bytes]:
        for _ in range(8):
            yield b"x" * size
            await asyncio.sleep(pause)

    limited = RequestId(
        Errors(BodyLimit(app, 100, seconds=0.2, artifact_limit=10**6), json_form, {})
    )
    file = "/api/2.0/mlflow-artifacts/artifacts/a"
    client = Client(limited, loop=HastyLoop)
    steady = client.put(file, content=body(10_000, 0.05))
    assert steady.text == "read"  # 0.4 s on the whole
    for size, pause in ((10_000, 0.5), (10, 0.05)):  # a long pause; steady, but too slow
        slow = client.put(file, content=body(size, pause))
        assert slow.json()["error"]["code"] == "slow_body"
    assert client.put(file, content=b"x" * (10**6 + 1)).status_code == 413
    for path in ("/api/v1/runs/r/artifacts/a", "/ajax-api/2.0/mlflow-artifacts/mpu/part/u/1"):
        assert client.put(path, content=b"x" * 200).text == "read"
    for method, path in (("POST", file), ("PUT", "/api/v1/runs/r"), ("PUT", "/x" + file)):
        assert client.request(method, path, content=b"x" * 200).status_code == 413


@pytest.mark.parametrize("length", ["ten", "-1", "1e3"])
def test_a_content_length_that_is_no_number(client: Client, length: str) -> None:
    answer = client.post(CHECK, content=b"{}", headers={"content-length": length})
    assert answer.status_code == 422


def test_requests_are_counted_by_route(client: Client) -> None:
    client.get("/api/v1/loops/flights")
    client.get("/api/v1/loops/nothing")
    client.get("/nowhere")
    text = client.get("/metrics").text
    route = 'method="GET",route="/api/v1/loops/{loop}"'
    assert f'everloop_http_requests_total{{{route},status="200"}} 1.0' in text
    assert f'everloop_http_requests_total{{{route},status="404"}} 1.0' in text
    assert 'route="none",status="404"' in text
