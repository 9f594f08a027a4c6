"""Durations as people write them: ``30s``, ``10m``, ``12h``, ``7d``, ``2w``."""

from __future__ import annotations

import re

from everloop.errors import invalid

LONGEST = 365_000 * 86_400.0  # a date so far before or after now is still one that a clock shows
_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0, "w": 604800.0}
_FORM = re.compile(r"^\s*(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)\s*$")


def seconds(text: str, field: str = "duration") -> float:
    """Seconds in a duration such as ``"7d"``, at most 365,000 days of them.

    Raises :class:`~everloop.errors.InvalidInput` naming ``field`` when the text has another form
    or says more.

    >>> seconds("10m")
    600.0
    """
    match = _FORM.match(text) if isinstance(text, str) else None
    if match is None:
        raise invalid(field, text, 'a number and a unit of ms, s, m, h, d or w, such as "7d"')
    found = float(match[1]) * _SECONDS[match[2]]
    if found > LONGEST:
        raise invalid(field, text, 'a duration of at most "365000d"')
    return found


def milliseconds(text: str, field: str = "duration") -> int:
    """The same in whole milliseconds."""
    return round(seconds(text, field) * 1000)
