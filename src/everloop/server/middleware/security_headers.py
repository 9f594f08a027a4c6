"""Headers that keep a browser from doing with our answers what they are not for."""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.server.middleware._base import with_headers

HEADERS = {
    b"content-security-policy": (
        b"default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
        b"base-uri 'none'; frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}


class SecurityHeaders:
    """Adds the headers; an answer's own value of one of them stays."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = with_headers(send, HEADERS) if scope["type"] == "http" else send
        await self.app(scope, receive, answer)
