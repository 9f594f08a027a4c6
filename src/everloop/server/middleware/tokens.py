"""Who calls: a person by a token of its own or in a session, the holder of the server's token, or
anybody without one."""

from __future__ import annotations

import base64
import binascii
import hmac

import anyio.to_thread
import msgspec
from starlette.types import ASGIApp, Receive, Scope, Send

from everloop.errors import Forbidden
from everloop.server import forms
from everloop.server.middleware._base import PRINCIPAL, header
from everloop.server.middleware.visits import LOOK, Look
from everloop.server.throttle import Throttle
from everloop.store.people import PeopleStore, digest_of
from everloop.store.sessions import SessionStore, Shown

ALL = frozenset({"public", "read", "decide", "write", "admin"})
# What each value of a person's ``may`` comes to.
MAY = {
    "read": frozenset({"public", "read"}),
    "decide": frozenset({"public", "read", "decide"}),
    "write": ALL - {"admin"},
    "admin": ALL,
}


GUESSABLE = 24
"""Characters below which the server's own token is not looked at after many wrong ones."""


class Principal(msgspec.Struct, frozen=True):
    """The caller, what it may do, and the way it came, which the event log says too.

    ``session`` is the key of the session that it came by; ``shown`` says that it sent a token in
    the request's head, which no page of another site can make a browser do.
    """

    name: str
    permissions: frozenset[str]
    way: str = "http:"
    session: str | None = None
    shown: bool = False


LOCAL = Principal("local", ALL)
HOLDER = Principal("token", ALL)
NOBODY = Principal("nobody", frozenset({"public"}))


class Tokens:
    """Puts a :class:`Principal` into the scope; whether it suffices is the route's to say.

    The token comes as ``Authorization: Bearer TOKEN``, or as the password of ``Basic`` (what
    MLflow's clients send); without, a cookie may name a session. ``local`` is everybody where the
    server has no token. ``programs`` are the beginnings of paths that programs call: there a
    session may change something only with a form's token in ``x-everloop-token``.
    """

    def __init__(
        self,
        app: ASGIApp,
        token: str,
        local: Principal,
        people: PeopleStore,
        sessions: SessionStore,
        throttle: Throttle,
        programs: tuple[str, ...] = (),
    ) -> None:
        self.app = app
        self.local = local
        self.token = token.encode()
        self.people = people
        self.sessions = sessions
        self.throttle = throttle
        self.programs = programs

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            principal = await self._principal(scope, scope[LOOK])
            visit = scope[LOOK].visit
            visit.name, visit.permissions = principal.name, principal.permissions
            visit.signed_in = principal.session is not None
            scope[PRINCIPAL] = principal
        await self.app(scope, receive, send)

    async def _principal(self, scope: Scope, look: Look) -> Principal:
        authorization = header(scope, b"authorization")
        if authorization is not None:
            return await self._by_token(authorization, address_of(scope))
        if (id := look.session) is not None and (found := await self._by_session(scope, look, id)):
            return found
        return NOBODY if self.token else self.local

    async def _by_token(self, authorization: str, address: str) -> Principal:
        shown, bearer = _shown(authorization), authorization[:7].lower() == "bearer "
        if self.token and len(self.token) < GUESSABLE:
            self.throttle.check(address)
        if self.token and hmac.compare_digest(shown, self.token):
            return msgspec.structs.replace(HOLDER, shown=bearer)
        person = await anyio.to_thread.run_sync(self.people.holder, shown.decode("latin-1"))
        if person is not None:
            return Principal(person.name, MAY[person.may], shown=bearer)
        if not self.token:
            return msgspec.structs.replace(self.local, shown=bearer)
        self.throttle.wrong(address)
        raise unauthenticated("The token in the Authorization header is not the right one.")

    async def _by_session(self, scope: Scope, look: Look, id: str) -> Principal | None:
        shown = await anyio.to_thread.run_sync(self.sessions.show, id)
        if shown is None or (principal := self._holder(shown)) is None:
            look.set_session(None)
            return None
        if scope["method"] not in forms.SAFE and scope["path"].startswith(self.programs):
            token = header(scope, forms.HEADER)
            if token is None or not forms.fits(shown.secret, token):
                return None
        look.secret = shown.secret
        if shown.next_id is not None:
            look.set_session(shown.next_id, self.sessions.life // 1000)
        return principal

    def _holder(self, shown: Shown) -> Principal | None:
        """Whose session it is; None when its token is not good any more."""
        if shown.person is not None:
            person = shown.person
            return Principal(person.name, MAY[person.may], session=shown.key)
        own = self.token and digest_of(self.token.decode()) == shown.token_sha256
        return msgspec.structs.replace(HOLDER, session=shown.key) if own else None


def address_of(scope: Scope) -> str:
    """The address that a request came from."""
    return str((scope.get("client") or ("",))[0])


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
