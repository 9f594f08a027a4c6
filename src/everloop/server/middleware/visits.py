"""What pages may know of the request they answer, and the cookies that an answer sets.

Two cookies, both HttpOnly and for the whole server: the session's id, and for browsers that are
not signed in the bytes that their forms' tokens are derived from. They are ``SameSite=Lax``, not
``Strict``: a link to a decision in a mail or a chat has to open as the person who is signed in,
and what changes anything is a POST, which neither lets another site send in one's name. Over HTTPS
they are ``Secure`` and begin with ``__Host-``, so that no other host of the domain can set them.
Ports share cookies, so their names carry the project's key.
"""

from __future__ import annotations

import hashlib
import hmac
import secrets

from starlette.requests import cookie_parser
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from everloop.console.visit import VISIT, Visit
from everloop.registry.signing import Keys
from everloop.server import forms
from everloop.server.middleware._base import header

LOOK = "everloop.look"
PURPOSE = b"everloop forms 1"
LONGEST = 100  # characters of a cookie of ours


def form_key(keys: Keys) -> bytes:
    """What tokens of browsers that are not signed in are derived from."""
    return keys.derive(PURPOSE) if keys.can_sign else secrets.token_bytes(32)


class Look:
    """A request's cookies, those of its answer, and the :class:`Visit` that templates see."""

    def __init__(self, scope: Scope, suffix: str, key: bytes) -> None:
        self.visit = Visit(scope["path"], scope["query_string"].decode("latin-1"))
        self.visit.sign = self._sign
        self.cookies: list[bytes] = []
        self.secret: bytes | None = None
        self._key = key
        self._suffix = suffix
        self._scope = scope
        self._browser: str | None = None

    @property
    def session(self) -> str | None:
        """The session's id, if the browser shows one."""
        return self._cookie("session")

    def form_secret(self) -> bytes | None:
        """What the browser's forms are signed with: its session's, or one of its cookie."""
        browser = self._browser or self._cookie("form")
        if self.secret is None and browser is not None:
            return hmac.digest(self._key, browser.encode(), hashlib.sha256)
        return self.secret

    def set_session(self, id: str | None, lasts: int = 0) -> None:
        """Let the browser show this id for so many seconds; None takes it away."""
        self._set("session", id or "", lasts if id else 0)

    def _sign(self) -> str:
        secret = self.form_secret()
        if secret is None:
            self._browser = secrets.token_urlsafe(24)
            self._set("form", self._browser, None)
            secret = self.form_secret()
        return forms.made(secret or b"")

    def _cookie(self, name: str) -> str | None:
        given = header(self._scope, b"cookie")
        if given is None:
            return None
        found = cookie_parser(given)
        name = f"everloop-{name}-{self._suffix}"
        value = found.get(f"__Host-{name}") or ("" if _https(self._scope) else found.get(name, ""))
        return value if 0 < len(value) <= LONGEST and value.isascii() else None

    def _set(self, name: str, value: str, lasts: int | None) -> None:
        secure = _https(self._scope)
        cookie = f"{'__Host-' if secure else ''}everloop-{name}-{self._suffix}={value}; Path=/"
        cookie += "; HttpOnly; SameSite=Lax" + ("; Secure" if secure else "")
        self.cookies.append((cookie if lasts is None else f"{cookie}; Max-Age={lasts}").encode())


class Visits:
    """Puts a :class:`Look` into the scope, and its visit where templates find it."""

    def __init__(self, app: ASGIApp, project: str, key: bytes) -> None:
        self.app = app
        self.suffix = project[:8]
        self.key = key

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        look = scope[LOOK] = Look(scope, self.suffix, self.key)
        VISIT.set(look.visit)

        async def setting(message: Message) -> None:
            if look.cookies and message["type"] == "http.response.start":
                pairs = [(b"set-cookie", cookie) for cookie in look.cookies]
                message = {**message, "headers": [*message.get("headers", ()), *pairs]}
            await send(message)

        await self.app(scope, receive, setting)


def _https(scope: Scope) -> bool:
    """Whether the browser speaks HTTPS, with us or with what stands before us.

    Who lies about it changes only what its own browser does with its own cookie.
    """
    if scope["scheme"] == "https" or header(scope, b"x-forwarded-proto") == "https":
        return True
    return (header(scope, b"origin") or "").startswith("https://")
