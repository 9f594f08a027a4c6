"""Page tokens: where a page ended, so that the next one begins there whatever was written since.

A token is opaque to callers, but not secret and not signed: whoever forges one only chooses where
a page begins. So it is checked like any other input.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

import msgspec

from everloop.errors import InvalidInput

T = TypeVar("T")
LONGEST = 20_000


class Found(msgspec.Struct, Generic[T], frozen=True):
    """One page of a search; ``next`` is the token of the following one, None at the end."""

    items: list[T]
    next: str | None


def pack(values: Sequence[Any]) -> str:
    """A token for the values, url-safe text. They may be null, text, numbers or lists of these."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode(values)).rstrip(b"=").decode()


def unpack(token: str, kind: type[T]) -> T:
    """The values of a token, a tuple of the types in ``kind`` (``tuple[int, str]``).

    Raises :class:`~everloop.errors.InvalidInput` for text that :func:`pack` did not make.
    """
    try:
        if len(token) > LONGEST or not token.isascii():
            raise ValueError
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
        return msgspec.msgpack.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.DecodeError, RecursionError):
        raise InvalidInput(
            "page_token: got text that no page gave, expected the token of the page before.",
            code="bad_page_token",
            path="page_token",
            expected="the token of the page before",
        ) from None
