"""Pages and their files are sent compressed; the answers of the API are left as they are."""

from __future__ import annotations

from starlette.middleware.gzip import GZipMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send

LEAST, LEVEL = 1000, 5  # bytes worth compressing, and gzip's level


class Compress:
    """gzip for browsers. ``plain`` are the beginnings of paths that programs call: their answers
    are small or already packed, and speed is what they ask for. ``pages`` are those among them
    that pages call too, for what is large."""

    def __init__(self, app: ASGIApp, plain: tuple[str, ...], pages: tuple[str, ...] = ()) -> None:
        self.app = app
        self.packed = GZipMiddleware(app, LEAST, LEVEL)
        self.plain = plain
        self.pages = pages

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        path: str = scope["path"]
        pages = not path.startswith(self.plain) or path.startswith(self.pages)
        await (self.packed if pages else self.app)(scope, receive, send)
