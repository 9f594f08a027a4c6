"""What the server's tests share."""

from __future__ import annotations

import asyncio
from asyncio import AbstractEventLoop
from collections.abc import Callable
from functools import partialmethod
from typing import Any

import httpx
from starlette.types import ASGIApp

LOOP_FILE = """
[loop]
name = "flights"
[data]
source = "data.csv"
target = "late"
"""
BASE = "http://127.0.0.1:5050"
DEAD = "http://127.0.0.1:9"  # nothing listens: the data plane is away


class Client:
    """Asks an ASGI application in this process."""

    def __init__(
        self, app: ASGIApp, base: str = BASE, loop: Callable[[], AbstractEventLoop] | None = None
    ) -> None:
        self.app = app
        self.base = base
        self.loop = loop

    def request(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=self.base) as client:
                return await client.request(method, path, **arguments)

        with asyncio.Runner(loop_factory=self.loop) as runner:
            return runner.run(ask())

    get = partialmethod(request, "GET")
    post = partialmethod(request, "POST")
    put = partialmethod(request, "PUT")
    patch = partialmethod(request, "PATCH")
    delete = partialmethod(request, "DELETE")


Connect = Callable[..., Client]
