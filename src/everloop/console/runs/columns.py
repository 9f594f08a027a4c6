"""Columns of the table of runs: how they are spelled, read, and shown when nobody chose."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Literal, cast

import msgspec

from everloop.errors import InvalidInput, invalid
from everloop.store.filter.nodes import Or
from everloop.store.filter.parser import find_field, parse_filter
from everloop.store.filter.tokens import pieces, tokens
from everloop.tracking.search.fields import RUN_FIELDS

MOST = 60
"""Columns of a table."""
LONGEST_LINKED = 500
"""Characters of a value that a link asks for."""

Kind = Literal["attribute", "metric", "parameter", "tag"]

ATTRIBUTES = {
    "status": "status",
    "experiment": "experiment",
    "start_time": "started",
    "duration": "took",
    "user_id": "user",
    "run_id": "id",
}
"""What of a run itself may be a column, and its heading."""
_WORDS = {"metric": "metrics", "parameter": "params", "tag": "tags"}
_PLAIN = re.compile(r"[\w$#@]+(\.[\w$#@]+)*")


class Column(msgspec.Struct, frozen=True):
    """A column; ``name`` is how it is spelled, ``order`` what sorts by it (None: nothing does)."""

    name: str
    kind: Kind
    key: str
    order: str | None = None

    @property
    def heading(self) -> str:
        return ATTRIBUTES[self.key] if self.kind == "attribute" else self.key

    @property
    def is_number(self) -> bool:
        return self.kind == "metric" or self.key == "duration"


def attribute(key: str) -> Column:
    """The column of something of a run itself, of :data:`ATTRIBUTES`."""
    return Column(key, "attribute", key, None if key in ("duration", "experiment") else key)


def column(kind: Kind, key: str) -> Column | None:
    """The column of a metric, param or tag; None for a key that no quotes can hold."""
    name = spelled(kind, key)
    return None if name is None else Column(name, kind, key, name)


def spelled(kind: str, key: str) -> str | None:
    """A key as filters, orders and columns name it: ``metrics.auc``, ``params.`a b```."""
    word = _WORDS[kind]
    if _PLAIN.fullmatch(key):
        return f"{word}.{key}"
    for quote in "`\"'":
        if quote not in key and (quote == "`" or "\\" not in key):
            return f"{word}.{quote}{key}{quote}"
    return None


def quoted(value: str) -> str | None:
    """A text as filters hold it; None for one that no quotes can hold."""
    for quote in "'\"":
        if quote not in value and not value.endswith("\\"):
            return f"{quote}{value}{quote}"
    return None


def read_columns(text: str) -> list[Column]:
    """What a list such as ``metrics.auc, params.depth, status`` names.

    Raises :class:`~everloop.errors.InvalidInput` with the code ``bad_columns``.
    """
    found = [_read(name) for name in dict.fromkeys(pieces(text))]
    if len(found) > MOST:
        raise invalid("columns", f"<{len(found)} columns>", f"at most {MOST}", code="bad_columns")
    return found


def _read(text: str) -> Column:
    if text in ATTRIBUTES:
        return attribute(text)
    name, *rest = tokens(text)
    if name.kind == "name" and [token.kind for token in rest] == ["end"]:
        try:
            entity, key, _ = find_field(name, RUN_FIELDS)
        except InvalidInput:
            pass
        else:
            if entity.name in _WORDS:
                return Column(text, cast(Kind, entity.name), key, text)
    expected = "metrics.NAME, params.NAME, tags.NAME or one of " + ", ".join(ATTRIBUTES)
    raise invalid("columns", text, expected, code="bad_columns")


def both(filter: str, part: str) -> str:
    """A filter that can be read, and a comparison beside it."""
    filter = filter.strip().rstrip("; \n")
    if not filter:
        return part
    alternatives = isinstance(parse_filter(filter, RUN_FIELDS), Or)
    return f"({filter}) AND {part}" if alternatives else f"{filter} AND {part}"


def narrowed(filter: str, kind: str, key: str, value: str | None) -> str | None:
    """A filter that also asks for a value, or for none; None where no text can say so."""
    name = key if kind == "attribute" else spelled(kind, key)
    text = None if value is None else quoted(value)
    if name is None or (value is not None and (text is None or len(value) > LONGEST_LINKED)):
        return None
    return both(filter, f"{name} IS NULL" if value is None else f"{name} = {text}")


def names(columns: Sequence[Column]) -> str:
    """Columns as an address has them."""
    return ",".join(one.name for one in columns)
