"""Refuses bodies above a size, before they are read where the caller says the size itself."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.errors import TooLarge, invalid
from everloop.server.middleware._base import header


class BodyLimit:
    """``limit`` is in bytes; it also holds for a chunked body, as it comes in."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        self._check_length(header(scope, b"content-length"))
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
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

    def _too_large(self, got: str) -> TooLarge:
        return TooLarge(
            f"body: got {got}, expected at most {self.limit}; settings.max_body_mb sets the limit.",
            path="$",
            got=got,
            expected=f"at most {self.limit} bytes",
            fix="Send less at a time, or raise settings.max_body_mb.",
        )
