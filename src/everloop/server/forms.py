"""The token that every form of ours carries, so that no other site's form can pass for one.

It is a signature under some fresh bytes, made with a secret that belongs to the browser: that of
its session, or one derived from a cookie that only it has ("signed double submit", OWASP's cheat
sheet on cross-site request forgery). The fresh bytes make it another one in each answer, so that
its length when compressed tells nothing (BREACH, Gluck et al., 2013).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from urllib.parse import unquote_plus

from everloop.errors import Forbidden

FIELD = "_token"
HEADER = b"x-everloop-token"
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


def made(secret: bytes) -> str:
    """A token."""
    fresh = secrets.token_urlsafe(12)
    return f"{fresh}.{_signature(secret, fresh)}"


def fits(secret: bytes, token: str) -> bool:
    """Whether a token was made with the secret."""
    fresh, _, signature = token.partition(".")
    return hmac.compare_digest(_signature(secret, fresh).encode(), signature.encode())


def without_token(body: bytes, secret: bytes | None) -> bytes:
    """A form's fields without the token, which has to be there and to fit.

    Raises :class:`~everloop.errors.Forbidden` otherwise.
    """
    parts = body.split(b"&")
    mark = FIELD.encode() + b"="
    found = [part[len(mark) :] for part in parts if part.startswith(mark)]
    given = unquote_plus(found[0].decode("latin-1")) if len(found) == 1 else ""
    if secret is None or not fits(secret, given):
        raise refused()
    return b"&".join(part for part in parts if not part.startswith(mark))


def refused() -> Forbidden:
    """The answer to a form that is not one of ours, or of a session that has ended."""
    return Forbidden(
        f"{FIELD}: this form is not of a page that this browser has open now.",
        code="form_token",
        path=FIELD,
        expected="the token of the form's page",
        fix="Load the page again and send its form; a program shows Authorization: Bearer TOKEN.",
    )


def _signature(secret: bytes, fresh: str) -> str:
    digest = hmac.digest(secret, fresh.encode("utf-8", "surrogateescape"), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
