"""Refuses bodies above a size, before they are read where the caller says the size itself.

A body that does not come to its end in time is refused too: each one under way holds a connection,
and there is only so many of them.
"""

from __future__ import annotations

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.errors import EverloopError, TooLarge, invalid
from everloop.server.middleware._base import header

BODY_SECONDS = 30.0


class BodyLimit:
    """``limit`` is in bytes; it also holds for a chunked body, as it comes in.

    ``seconds`` is the time that a whole body may take.
    """

    def __init__(self, app: ASGIApp, limit: int, seconds: float = BODY_SECONDS) -> None:
        self.app = app
        self.limit = limit
        self.seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self._check_length(header(scope, b"content-length"))
        read, whole = 0, False
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.seconds

        async def counted() -> Message:
            nonlocal read, whole
            if whole:  # what comes after the body is the caller's going away, at any time
                return await receive()
            try:
                async with asyncio.timeout_at(deadline):
                    message = await receive()
            except TimeoutError:
                raise self._slow(read) from None
            read += len(message.get("body", b""))
            whole = not message.get("more_body", False)
            if read > self.limit:
                raise self._too_large(f"more than {self.limit} bytes")
            return message

        await self.app(scope, counted, send)

    def _check_length(self, said: str | None) -> None:
        if said is None:
            return
        if not said.isascii() or not said.isdigit():
            raise invalid("Content-Length", said, "a whole number")
        if len(said) > 18 or int(said) > self.limit:
            raise self._too_large(f"{said[:20]} bytes")

    def _slow(self, read: int) -> EverloopError:
        return EverloopError(
            f"body: got {read} bytes in {self.seconds:g} s, expected all of it by then.",
            code="slow_body",
            path="$",
            got=read,
            expected=f"the whole body within {self.seconds:g} s",
        )

    def _too_large(self, got: str) -> TooLarge:
        return TooLarge(
            f"body: got {got}, expected at most {self.limit}; settings.max_body_mb sets the limit.",
            path="$",
            got=got,
            expected=f"at most {self.limit} bytes",
            fix="Send less at a time, or raise settings.max_body_mb.",
        )
