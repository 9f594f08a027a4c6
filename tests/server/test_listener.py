"""What a caller may hold of the server, seen through sockets."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from everloop.server import listener
from everloop.server.listener import Connection, Listener, listening
from ports import free_port

ASKED = b"GET /a HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"


async def application(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with how long the body was; ``/slow`` first waits until the caller goes away."""
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        size, more = size + len(message["body"]), message["more_body"]
    if scope["path"] == "/slow":
        await receive()
    body = b"%d" % size
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Listener]:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 60.0)
    port = free_port()
    made = Listener(application, "127.0.0.1", port)

    async def run() -> None:
        serving = asyncio.create_task(made.serve())
        await listening(made, serving)
        ready.set()
        await serving

    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    assert ready.wait(60)
    yield made
    made.stop()
    thread.join(60)
    assert not thread.is_alive()


def call(server: Listener, *parts: bytes, ends: bool = False) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection(("127.0.0.1", server.config.port)) as sock:
        sock.settimeout(60)
        for part in parts:
            sock.sendall(part)
        if ends:
            sock.shutdown(socket.SHUT_WR)
        got = b""
        while data := sock.recv(65536):
            got += data
        return got


def test_a_head_without_an_end_is_given_up(
    server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listener, "HEAD_SECONDS", 0.3)
    assert call(server, ASKED).startswith(b"HTTP/1.1 408 ")


def test_a_head_in_pieces_is_read(server: Listener) -> None:
    assert call(server, ASKED[:9], ASKED[9:], b"\r\n").startswith(b"HTTP/1.1 200 ")


def test_a_head_that_is_too_long_is_refused(server: Listener) -> None:
    line = b"x: " + b"y" * 1000 + b"\r\n"
    assert call(server, ASKED, *[line] * 60, b"\r\n").startswith(b"HTTP/1.1 200 ")
    # The last byte is the one too many: what came after it would meet a closed connection.
    over = listener.HEAD_BYTES + 1
    for head in (ASKED + line * 70, ASKED + b"x" * 70_000):
        pieces = [head[:over][at : at + 1009] for at in range(0, over, 1009)]
        assert call(server, *pieces).startswith(b"HTTP/1.1 431 ")
        assert call(server, head[:over]).startswith(b"HTTP/1.1 431 ")


def test_a_long_body_is_no_long_head(server: Listener) -> None:
    body = b"z" * 300_000
    assert call(server, ASKED + b"content-length: 300000\r\n\r\n", body).endswith(b"300000")


@pytest.mark.parametrize(
    "head",
    [
        b"GET / HTTP/1.1\r\ncontent-length: 5\r\ntransfer-encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\ncontent-length: 5\r\ncontent-length: 6\r\n\r\nabcdef",
        b"GET / HTTP/1.1\r\nHost: x\r\nna me: 1\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00",
        b"GET /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
        b"CONNECT a:1 HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_refused(server: Listener, head: bytes) -> None:
    assert call(server, head).startswith(b"HTTP/1.1 400 ")


def test_a_caller_may_stop_sending_and_still_read(server: Listener) -> None:
    assert call(server, ASKED + b"\r\n", ends=True).endswith(b"\r\n\r\n0")
    cut = ASKED + b"content-length: 10\r\n\r\nabc"
    assert call(server, cut, ends=True).startswith(b"HTTP/1.1 400 ")


def test_one_connection_more_than_there_may_be(
    server: Listener, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Connection.__init__

    def few(self: Connection, *arguments: object, **named: object) -> None:
        made(self, *arguments, **named)
        self.limit_concurrency = 3

    monkeypatch.setattr(Connection, "__init__", few)
    held = [socket.create_connection(("127.0.0.1", server.config.port)) for _ in range(3)]
    assert call(server, ASKED + b"\r\n").startswith(b"HTTP/1.1 503 ")
    for sock in held:
        sock.close()
