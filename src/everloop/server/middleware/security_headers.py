"""Headers that keep a browser from doing with our answers what they are not for."""

from __future__ import annotations

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    b"content-security-policy": (
        b"default-src 'self'; object-src 'none'; form-action 'self'; base-uri 'none'; "
        b"frame-ancestors 'none'"
    ),
    b"x-content-type-options": b"nosniff",
    b"x-frame-options": b"DENY",
    b"referrer-policy": b"same-origin",
    b"cross-origin-opener-policy": b"same-origin",
    b"cross-origin-resource-policy": b"same-origin",
    b"permissions-policy": b"camera=(), geolocation=(), microphone=()",
    b"cache-control": b"no-store",
}


DATA = {name: HEADERS[name] for name in (b"x-content-type-options", b"cache-control")}
"""Those of JSON: it is nothing that a browser shows or runs, as long as it is taken for JSON."""
SAID = {b"x-content-type-options": HEADERS[b"x-content-type-options"]}
"""Those of JSON that answers a request which no cache may keep anyway."""


class SecurityHeaders:
    """Adds the headers; an answer's own value of one of them stays."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        data = DATA if scope["method"] in ("GET", "HEAD") else SAID

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = list(message.get("headers", ()))
                added = data if (b"content-type", b"application/json") in own else HEADERS
                names = {name for name, _ in own}
                own += [pair for pair in added.items() if pair[0] not in names]
                message = {**message, "headers": own}
            await send(message)

        await self.app(scope, receive, guarded)
