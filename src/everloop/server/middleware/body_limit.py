"""Refuses bodies above a size, before they are read where the caller says the size itself.

A body that does not come to its end in time is refused too: each one under way holds a connection,
and there is only so many of them.
"""

from __future__ import annotations

import asyncio
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.errors import EverloopError, TooLarge, invalid
from everloop.server.middleware._base import header

BODY_SECONDS = 30.0
SLOWEST = 16_000
"""Bytes a second that a file has to come with, once the first seconds are over."""

_FILES = re.compile(r"/(ajax-)?api/2\.0/mlflow-artifacts/.*|/api/v1/runs/[^/]+/artifacts/.*")


class BodyLimit:
    """``limit`` and ``artifact_limit`` are bytes; they also hold for a chunked body, as it comes.

    ``seconds`` is the time that a whole body may take. A file (what is PUT where artifacts are)
    has the larger limit, and as much time as it needs while it comes on: no pause may be longer
    than that, and on the whole it may not be slower than :data:`SLOWEST`.
    """

    def __init__(
        self,
        app: ASGIApp,
        limit: int,
        seconds: float = BODY_SECONDS,
        artifact_limit: int | None = None,
    ) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds
        self.artifact_limit = limit if artifact_limit is None else artifact_limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        file = scope["method"] == "PUT" and _FILES.fullmatch(scope["path"]) is not None
        limit, setting = self.limit, "max_body_mb"
        if file:
            limit, setting = self.artifact_limit, "max_artifact_mb"
        _check_length(header(scope, b"content-length"), limit, setting)
        read, whole = 0, False
        loop = asyncio.get_running_loop()
        start = loop.time()

        async def counted() -> Message:
            nonlocal read, whole
            if whole:  # what comes after the body is the caller's going away, at any time
                return await receive()
            deadline = start + self.seconds
            if file:
                deadline = min(loop.time() + self.seconds, deadline + read / SLOWEST)
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise _slow(read, loop.time() - start) from None
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > limit:
                raise _too_large(f"more than {limit} bytes", limit, setting)
            return message

        await self.app(scope, counted, send)


def _check_length(said: str | None, limit: int, setting: str) -> None:
    if said is None:
        return
    if not said.isascii() or not said.isdigit():
        raise invalid("Content-Length", said, "a whole number")
    if len(said) > 18 or int(said) > limit:
        raise _too_large(f"{said[:20]} bytes", limit, setting)


def _slow(read: int, seconds: float) -> EverloopError:
    return EverloopError(
        f"body: got {read} bytes in {seconds:.1f} s, expected all of it by then.",
        code="slow_body",
        path="$",
        got=read,
        expected="the whole body in time",
    )


def _too_large(got: str, limit: int, setting: str) -> TooLarge:
    return TooLarge(
        f"body: got {got}, expected at most {limit}; settings.{setting} sets the limit.",
        path="$",
        got=got,
        expected=f"at most {limit} bytes",
        fix=f"Send less at a time, or raise settings.{setting}.",
    )
