"""The HTTP API as verbs use it: of the server that the settings name, or of a folder in here.

A folder answers through the same handlers without a socket, so that a verb says the same of both.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from everloop.cli._target import connected, settings_of
from everloop.loop.project import Project
from everloop.loop.remote import Server
from everloop.server.app import create_app

HERE = "http://127.0.0.1"


@contextmanager
def api(folder: Path) -> Iterator[Server]:
    """What answers ``/api/v1`` for a folder and its settings."""
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            yield server
        return
    with Project.open(folder) as project:
        server = Server(HERE, transport=Within(create_app(project)))
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
    """Hands requests to an application of this process; bodies are held whole."""

    def __init__(self, app: ASGIApp) -> None:
        self._inner = httpx.ASGITransport(app, raise_app_exceptions=False)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        content = request.read()

        async def ask() -> httpx.Response:
            asked = httpx.Request(
                request.method, request.url, headers=request.headers, content=content
            )
            answer = await self._inner.handle_async_request(asked)
            return httpx.Response(
                answer.status_code, headers=answer.headers, content=await answer.aread()
            )

        return asyncio.run(ask())
