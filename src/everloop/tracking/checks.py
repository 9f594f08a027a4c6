"""What names and texts tracking keeps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from everloop.errors import invalid
from everloop.store.texts import check_long, check_short

KEY = 250
"""Most characters of the key of a metric, a param or a tag."""

PARAM, TAG = 6000, 8000
"""Most characters of the value of a param and of a tag."""


def check_key(field: str, value: str, limit: int = KEY) -> str:
    """``value`` when it may name something; raises InvalidInput otherwise."""
    return check_short(field, value, limit)


def check_text(field: str, value: Any, limit: int) -> str:
    """``value`` as the text that is kept: text as it is, anything else as JSON."""
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return check_long(field, text, limit)


def check_texts(field: str, values: Mapping[str, Any], limit: int) -> dict[str, str]:
    """Keys and values of params or tags (which of them, ``field`` says) as they are kept."""
    return {
        check_key(field, key): check_text(f"{field}.{key}", value, limit)
        for key, value in values.items()
    }


def check_run_id(run: str) -> str:
    """``run`` when it looks like a run's id; raises InvalidInput otherwise."""
    if len(run) != 32 or not set(run) <= set("0123456789abcdef"):
        raise invalid("run", run, "32 lower-case hexadecimal digits")
    return run
