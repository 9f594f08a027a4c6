"""Counts and times every request, by the route's pattern and never by the path itself."""

from __future__ import annotations

import time

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.deploy.serving.lines import JsonLines
from everloop.deploy.serving.seen import Seen
from everloop.server.metrics import Metrics
from everloop.server.middleware._base import REQUEST_ID, ROUTE


class Measure:
    """Feeds the metrics, and the log where it has a line a request."""

    def __init__(self, app: ASGIApp, metrics: Metrics, lines: JsonLines | None = None) -> None:
        self.app = app
        self.metrics = metrics
        self.lines = lines

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        status = 500

        async def watched(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        began = time.perf_counter()
        self.metrics.open.inc()
        try:
            await self.app(scope, receive, watched)
        finally:
            self.metrics.open.dec()
            method, route = _known(scope["method"]), scope.get(ROUTE, "none")
            seconds = time.perf_counter() - began
            self.metrics.answered(method, route, status, seconds)
            if self.lines is not None:
                id = scope.get(REQUEST_ID, "")
                self.lines.request(Seen(method, route, id, "", 0, status, seconds * 1000))


def _known(method: str) -> str:
    """Callers may invent methods; labels may not grow with them."""
    return method if method in ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE") else "OTHER"
