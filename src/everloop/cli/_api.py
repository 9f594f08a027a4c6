"""The HTTP API as verbs use it: of the server that the settings name, or of a folder in here.

A folder answers through the same handlers without a socket, so that a verb says the same of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Any

import httpx
from starlette.types import ASGIApp, Message, Receive

from everloop.cli._target import connected, settings_of
from everloop.loop.project import Project
from everloop.loop.remote import Server
from everloop.server.app import create_app
from everloop.server.middleware.tokens import ALL, Principal

HERE = "http://127.0.0.1"
PIECE = 1024 * 1024
CLI = Principal("cli", ALL, way="")
"""Who did it, as the event log says."""


@contextmanager
def api(folder: Path) -> Iterator[Server]:
    """What answers ``/api/v1`` for a folder and its settings."""
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            yield server
        return
    with Project.open(folder) as project:
        server = Server(HERE, transport=Within(create_app(project, local=CLI)))
        try:
            yield server
        finally:
            server.close()


def items(server: Server, path: str, **query: Any) -> tuple[list[dict[str, Any]], str | None]:
    """One page of a list, and what the next one is asked for with."""
    given = {key: value for key, value in query.items() if value not in (None, "")}
    found = server.call("GET", path, dict[str, Any], params=given)
    return found["items"], found["next"]


class Within(httpx.BaseTransport):
    """Hands requests to an application of this process, files in pieces."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        answer = _Answer()

        async def ask() -> None:
            await self.app(_scope(request), _receiver(request), answer.take)

        asyncio.run(ask())
        answer.body.seek(0)
        return httpx.Response(answer.status, headers=answer.headers, stream=answer)


class _Answer(httpx.SyncByteStream):
    """What an application sends; a long body waits in a file."""

    def __init__(self) -> None:
        self.status = 500
        self.headers: list[tuple[bytes, bytes]] = []
        self.body = SpooledTemporaryFile(max_size=PIECE)  # noqa: SIM115  (closed with the answer)

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body.write(message.get("body", b""))

    def __iter__(self) -> Iterator[bytes]:
        while piece := self.body.read(PIECE):
            yield piece

    def close(self) -> None:
        self.body.close()


def _scope(request: httpx.Request) -> dict[str, Any]:
    path, _, query = request.url.raw_path.partition(b"?")
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": request.method,
        "headers": [(name.lower(), value) for name, value in request.headers.raw],
        "scheme": request.url.scheme,
        "path": request.url.path,
        "raw_path": path,
        "query_string": query,
        "server": (request.url.host, request.url.port),
        "client": ("127.0.0.1", 0),
        "root_path": "",
    }


def _receiver(request: httpx.Request) -> Receive:
    assert isinstance(request.stream, httpx.SyncByteStream)
    pieces = iter(request.stream)
    over = False

    async def receive() -> Message:
        nonlocal over
        if over:  # whoever listens for the caller's going away waits
            await asyncio.Event().wait()
        piece = next(pieces, None)
        over = piece is None
        return {"type": "http.request", "body": piece or b"", "more_body": not over}

    return receive
