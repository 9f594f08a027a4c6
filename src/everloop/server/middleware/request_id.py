"""Every request has an id: the caller's ``x-request-id`` when it is tidy, else a new one."""

from __future__ import annotations

import re
import uuid

from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.server.middleware._base import REQUEST_ID, header, with_headers

_TIDY = re.compile(r"[A-Za-z0-9._-]{1,64}")


class RequestId:
    """Puts the id into the scope and into the answer's headers."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        given = header(scope, b"x-request-id") or ""
        request_id = given if _TIDY.fullmatch(given) else uuid.uuid4().hex
        scope[REQUEST_ID] = request_id
        answer = with_headers(send, {b"x-request-id": request_id.encode()})
        await self.app(scope, receive, answer)
