"""Sizes of memory as people write them: ``512MB``, ``2GB``."""

from __future__ import annotations

import re

from everloop.errors import invalid

_FORM = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])B", re.IGNORECASE)


def size(text: str, field: str = "size") -> int:
    """Bytes in a size such as ``"2GB"``; a kilobyte is 1000 bytes.

    Raises :class:`~everloop.errors.InvalidInput` naming ``field`` when the text has another form.

    >>> size("2GB")
    2000000000
    """
    found = _FORM.fullmatch(text)
    if found is None or float(found[1]) <= 0:
        raise invalid(field, text, "a size such as 2GB or 512MB")
    return int(float(found[1]) * 1000 ** ("KMGT".index(found[2].upper()) + 1))
