"""Who calls: the holder of the token, or anybody while no token is set."""

from __future__ import annotations

import base64
import binascii
import hmac

import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden
from everloop.server.middleware._base import PRINCIPAL, header

ALL = frozenset({"public", "read", "write", "admin"})


class Principal(msgspec.Struct, frozen=True):
    """The caller, what it may do, and the way it came, which the event log says too."""

    name: str
    permissions: frozenset[str]
    way: str = "http:"


LOCAL = Principal("local", ALL)
HOLDER = Principal("token", ALL)
NOBODY = Principal("nobody", frozenset({"public"}))


class Tokens:
    """Puts a :class:`Principal` into the scope; whether it suffices is the route's to say.

    The token comes as ``Authorization: Bearer TOKEN``, or as the password of ``Basic`` (what a
    browser asks for, and what MLflow's clients send). ``local`` is everybody where there is none.
    """

    def __init__(self, app: ASGIApp, token: str, local: Principal = LOCAL) -> None:
        self.app = app
        self.local = local
        self.token = token.encode()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[PRINCIPAL] = self._principal(header(scope, b"authorization"))
        await self.app(scope, receive, send)

    def _principal(self, authorization: str | None) -> Principal:
        if not self.token:
            return self.local
        if authorization is None:
            return NOBODY
        if hmac.compare_digest(_shown(authorization), self.token):
            return HOLDER
        raise unauthenticated("The token in the Authorization header is not the right one.")


def unauthenticated(message: str) -> Forbidden:
    """The refusal of a caller that has not shown who it is."""
    return Forbidden(
        message,
        code="unauthenticated",
        path="Authorization",
        expected="Bearer TOKEN",
        fix="Send the header Authorization: Bearer TOKEN, with the server's token.",
    )


def _shown(authorization: str) -> bytes:
    scheme, _, value = authorization.partition(" ")
    value = value.strip()
    if scheme.lower() == "bearer":
        return value.encode("latin-1")
    if scheme.lower() == "basic":
        try:
            return base64.b64decode(value, validate=True).partition(b":")[2]
        except binascii.Error:
            return b""
    return b""
