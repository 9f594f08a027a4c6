"""Refuses foreign ``Host`` headers on loopback: the defence against DNS rebinding.

A page of an attacker's site can make a name of its own point to 127.0.0.1 and would then be "same
origin" with us; only its Host header tells.
"""

from __future__ import annotations

from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden, shorten
from everloop.server.bind import is_loopback
from everloop.server.middleware._base import header

LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


class Hosts:
    """On a loopback bind only this machine's own names are accepted; elsewhere any."""

    def __init__(self, app: ASGIApp, bound: str) -> None:
        self.app = app
        own = f"[{bound}]" if ":" in bound else bound
        self.allowed = LOCAL | {own} if is_loopback(bound) else None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.allowed is not None:
            host = header(scope, b"host") or ""
            if host_name(host) not in self.allowed:
                raise Forbidden(
                    f"Host: got {shorten(host)}, expected this machine's own name, since the "
                    "server is bound to loopback.",
                    code="foreign_host",
                    path="Host",
                    got=shorten(host),
                    expected="localhost",
                )
        await self.app(scope, receive, send)


def host_name(value: str) -> str:
    """The name in a Host header, without its port: ``[::1]:5050`` gives ``[::1]``."""
    if value.startswith("["):
        return value.partition("]")[0].lower() + "]"
    return value.partition(":")[0].lower()
