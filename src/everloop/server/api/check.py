"""A loop file's text, checked."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import EverloopError
from everloop.loop.checking import check_words
from everloop.loop.declaration import parse, to_dict
from everloop.server.call import Call


class CheckBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The text of an ``everloop.toml``."""

    text: str


class Checked(msgspec.Struct, frozen=True, omit_defaults=True):
    """``ok`` with the declaration, defaults filled in; or what is wrong."""

    ok: bool
    declaration: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


def check(call: Call) -> Checked:
    """What is wrong with the file is the answer, not an error of the request."""
    try:
        declaration = parse(call.body.text).declaration
        check_words(declaration)
    except EverloopError as error:
        return Checked(False, error=error.to_dict())
    return Checked(True, to_dict(declaration))
