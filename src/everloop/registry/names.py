"""Which names models, aliases and endpoints may have, and how a version is referred to."""

from __future__ import annotations

import posixpath
import re
import unicodedata

import msgspec

from everloop.errors import InvalidInput, invalid

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")
_ALIAS = re.compile(r"[\w-]{1,255}")
VERSION_ALIAS = re.compile(r"[vV]\d+")
_UNPRINTABLE = frozenset({"Cc", "Cs", "Zl", "Zp"})
_LARGEST = 2**31 - 1

MODEL_NAME = 256
"""Most characters of a model's name."""

LATEST = "latest"
"""The alias that every model has: its newest version."""


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


def check_model_name(value: str, field: str = "model") -> str:
    """``value`` when it may name a model: any text on one line without ``/`` and ``:``.

    Such a name must be quoted in a URL, and no path is ever made from it. Raises
    :class:`~everloop.errors.InvalidInput` otherwise.
    """
    if (
        not isinstance(value, str)
        or not value.strip()
        or len(value) > MODEL_NAME
        or "/" in value
        or ":" in value
        or posixpath.normpath(value) != value
        or value == "."
        or value.startswith("..")
        or any(unicodedata.category(letter) in _UNPRINTABLE for letter in value)
    ):
        raise invalid(
            field,
            value,
            f"1 to {MODEL_NAME} characters on one line, without '/' and ':'",
            code="bad_name",
        )
    return value


def check_alias(value: str) -> str:
    """``value`` when it may be an alias; raises :class:`~everloop.errors.InvalidInput` otherwise.

    ``latest`` and ``v3`` are taken by what they say.
    """
    if not isinstance(value, str) or not _ALIAS.fullmatch(value):
        raise _bad_alias(value, "1 to 255 letters, digits, '_' or '-'")
    if value.lower() == LATEST or VERSION_ALIAS.fullmatch(value):
        raise _bad_alias(value, "a name other than latest and v1, v2, …, which are reserved")
    return value


def parse_reference(text: str) -> Reference:
    """Read ``name``, ``name@alias`` or ``name/3``; the last ``@`` begins an alias.

    Raises :class:`~everloop.errors.InvalidInput` for anything else.
    """
    model, slash, number = text.partition("/")
    if slash:
        return Reference(check_model_name(model), version=_number(number))
    model, at, alias = text.rpartition("@")
    if not at:
        return Reference(check_model_name(text))
    if alias.lower() != LATEST:
        check_alias(alias)
    return Reference(check_model_name(model), alias=alias)


def _number(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 0 < int(text[:11]) <= _LARGEST:
        raise invalid("version", text, "a whole number from 1, as in model/3")
    return int(text)


def _bad_alias(value: object, expected: str) -> InvalidInput:
    return invalid("alias", value, expected, code="bad_name")
