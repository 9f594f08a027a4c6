"""Which names models, aliases and endpoints may have, and how a version is referred to."""

from __future__ import annotations

import re

import msgspec

from everloop.errors import invalid

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_LARGEST = 2**31 - 1


class Reference(msgspec.Struct, frozen=True):
    """What ``name``, ``name@alias`` or ``name/3`` refers to; at most one part is given."""

    model: str
    alias: str | None = None
    version: int | None = None


def check_name(field: str, value: str) -> str:
    """``value`` when it may name something: it is safe in a path, a URL and a log line.

    Raises :class:`~everloop.errors.InvalidInput` otherwise.
    """
    if not isinstance(value, str) or not _NAME.fullmatch(value):
        raise invalid(
            field,
            value,
            "1 to 255 letters, digits, '_', '-' or '.', the first one a letter, a digit or '_'",
            code="bad_name",
        )
    return value


def parse_reference(text: str) -> Reference:
    """Read ``name``, ``name@alias`` or ``name/3``.

    Raises :class:`~everloop.errors.InvalidInput` for anything else.
    """
    if "@" in text:
        model, _, alias = text.partition("@")
        return Reference(check_name("model", model), alias=check_name("alias", alias))
    model, slash, number = text.partition("/")
    check_name("model", model)
    if not slash:
        return Reference(model)
    if not number.isascii() or not number.isdigit() or not 0 < int(number[:11]) <= _LARGEST:
        raise invalid("version", number, "a whole number from 1, as in model/3")
    return Reference(model, version=int(number))
