"""Who calls: a person by a token of its own, the holder of the server's, or anybody without one."""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Callable

import anyio.to_thread
import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden
from everloop.server.middleware._base import PRINCIPAL, header
from everloop.store.people import Person

ALL = frozenset({"public", "read", "decide", "write", "admin"})
# What each value of a person's ``may`` comes to.
MAY = {
    "read": frozenset({"public", "read"}),
    "decide": frozenset({"public", "read", "decide"}),
    "write": ALL - {"admin"},
    "admin": ALL,
}


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
    browser asks for, and what MLflow's clients send). ``person`` tells whose token one is that is
    not the server's. ``local`` is everybody where the server has none.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        local: Principal = LOCAL,
        person: Callable[[str], Person | None] = lambda token: None,
    ) -> None:
        self.app = app
        self.local = local
        self.token = token.encode()
        self.person = person

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            scope[PRINCIPAL] = await self._principal(header(scope, b"authorization"))
        await self.app(scope, receive, send)

    async def _principal(self, authorization: str | None) -> Principal:
        if authorization is None:
            return NOBODY if self.token else self.local
        shown = _shown(authorization)
        if self.token and hmac.compare_digest(shown, self.token):
            return HOLDER
        person = await anyio.to_thread.run_sync(self.person, shown.decode("latin-1"))
        if person is not None:
            return Principal(person.name, MAY[person.may])
        if not self.token:
            return self.local
        raise unauthenticated("The token in the Authorization header is not the right one.")


def unauthenticated(message: str) -> Forbidden:
    """The refusal of a caller that has not shown who it is."""
    return Forbidden(
        message,
        code="unauthenticated",
        path="Authorization",
        expected="Bearer TOKEN",
        fix="Send the header Authorization: Bearer TOKEN, with the server's token or your own.",
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
