"""Refuses requests that another site's page makes a browser send: the defence against CSRF."""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden, shorten
from everloop.server.middleware._base import header

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


class Origins:
    """Requests that may change something must come from our own pages, or from no page at all.

    Browsers say where a request comes from in ``Sec-Fetch-Site`` and ``Origin``; programs send
    neither and are let through.
    """

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] not in SAFE:
            origin = header(scope, b"origin")
            site = header(scope, b"sec-fetch-site")
            foreign = (
                origin is not None and _place(origin) != (header(scope, b"host") or "").lower()
            )
            if foreign or site not in (None, "same-origin", "none"):
                raise Forbidden(
                    f"Origin: got {shorten(origin or site)}, expected a page of this server; "
                    "another site may not act in your name.",
                    code="cross_origin",
                    path="Origin",
                    got=shorten(origin or site),
                    expected="the same origin",
                )
        await self.app(scope, receive, send)


def _place(origin: str) -> str | None:
    """Host and port; the scheme is left out, since a proxy may end TLS before us."""
    try:
        return urlsplit(origin).netloc.lower() or None
    except ValueError:
        return None
