"""The version that training starts from, as ``model/3``."""

from __future__ import annotations

import re
from typing import NamedTuple

from everloop.errors import invalid

_FORM = re.compile(r"(.+)/([1-9]\d{0,8})")


class Base(NamedTuple):
    """A registered version."""

    model: str
    version: int

    def __str__(self) -> str:
        return f"{self.model}/{self.version}"


def parse_base(text: str, field: str = "train.base") -> Base:
    """``model/3``. Raises :class:`~everloop.errors.InvalidInput` for another form."""
    match = _FORM.fullmatch(text.strip())
    if match is None:
        raise invalid(
            field,
            text,
            'a registered version, as "model/3"',
            fix="everloop models list shows them.",
        )
    return Base(match[1], int(match[2]))
