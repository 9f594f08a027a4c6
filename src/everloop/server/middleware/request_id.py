"""Every request has an id: the caller's ``x-request-id`` when it is tidy, else a new one.

An answer has it when the caller gave one, or when there is something to ask about: each header
costs the caller's HTTP library time, which adds up for those that call thousands of times.
"""

from __future__ import annotations

import os
import re

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.server.middleware._base import REQUEST_ID, header

_TIDY = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Puts the id into the scope, and into the headers of the answers that need it."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = header(scope, b"x-request-id") or ""
        request_id = given if _TIDY.fullmatch(given) else os.urandom(16).hex()
        scope[REQUEST_ID] = request_id

        async def named(message: Message) -> None:
            if message["type"] == "http.response.start" and (given or message["status"] >= 400):
                pair = (b"x-request-id", request_id.encode())
                message = {**message, "headers": [*message.get("headers", ()), pair]}
            await send(message)

        await self.app(scope, receive, named)
