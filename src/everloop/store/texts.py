"""What text the databases keep: PostgreSQL has no character NUL."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import TooLarge, invalid


def json_text(value: Any) -> str:
    """A value as JSON whose keys are in order, so that equal values are equal texts."""
    return msgspec.json.encode(value, order="sorted").decode()


def check_short(field: str, value: Any, limit: int) -> str:
    """``value`` when it is text of 1 to ``limit`` characters; raises InvalidInput otherwise."""
    if not isinstance(value, str) or not 0 < len(value) <= limit or "\0" in value:
        raise invalid(field, value, f"1 to {limit} characters")
    return value


def check_long(field: str, value: Any, limit: int) -> str:
    """``value`` when it is text of at most ``limit`` characters.

    Raises :class:`~everloop.errors.TooLarge` for more of them, InvalidInput for anything else.
    """
    if not isinstance(value, str) or "\0" in value:
        raise invalid(field, value, "text without the character NUL")
    if len(value) > limit:
        raise TooLarge(
            f"{field}: got {len(value)} characters, expected at most {limit}.",
            path=field,
            got=len(value),
            expected=f"at most {limit} characters",
        )
    return value
