"""What an index holds of a param or tag: in SQLite all of its value, in PostgreSQL its head."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from everloop.store.filter.keyset import PREFIX
from everloop.store.filter.nodes import Comparison
from everloop.store.filter.sql import Clause, compare
from everloop.store.tables.tracking import INDEXED

LAST = "\U0010ffff" * 4
"""Put behind a text, it comes behind all that begin with it."""


def indexed(table: sa.FromClause, dialect: str) -> sa.ColumnElement[str]:
    """The column of the index."""
    return table.c.value if dialect == "sqlite" else table.c.head


def length(dialect: str) -> int:
    """Characters that runs agree in, when a walk through the index takes them for equal."""
    return PREFIX if dialect == "sqlite" else INDEXED


def begins(table: sa.FromClause, start: str, dialect: str) -> Clause:
    """Whether a value's first :func:`length` characters are ``start``."""
    column = indexed(table, dialect)
    if dialect == "sqlite" and len(start) >= PREFIX:
        return (column >= start) & (column < start + LAST)
    return column == start


def narrowed(table: sa.Table, one: Comparison, dialect: str) -> tuple[Clause | None, bool]:
    """A range of the index for a comparison, and whether that is all there is to it."""
    column, value = indexed(table, dialect), one.value
    most = None if dialect == "sqlite" else INDEXED
    if one.operator == "=" and isinstance(value, str):
        return column == value[:most], most is None or len(value) < most
    if one.operator == "IN" and isinstance(value, tuple):
        whole = most is None or all(len(text) < most for text in value)
        return column.in_(sorted({text[:most] for text in value})), whole
    if one.operator == "LIKE" and isinstance(value, str):
        literal = value.split("%")[0].split("_")[0][:INDEXED]
        if behind := _behind(literal):
            return (column >= literal) & (column < behind), False
    return None, one.operator == "IS NOT NULL"


def by_index(table: sa.Table, one: Comparison, dialect: str) -> Clause:
    """A comparison of a row of the index; only a long value is looked up in the table."""
    if dialect == "sqlite":
        return compare(table.c.value, one.operator, one.value, dialect)
    whole = table.alias()
    asked = compare(whole.c.value, one.operator, one.value, dialect)
    here = (whole.c.run == table.c.run) & (whole.c.key == one.key)
    looked_up: Any = sa.select(asked).where(here).correlate(table).scalar_subquery()
    head = compare(table.c.head, one.operator, one.value, dialect)
    return sa.case((sa.func.length(table.c.head) < INDEXED, head), else_=looked_up)


def _behind(start: str) -> str | None:
    """A text behind all that begin with ``start``, in the order of code points."""
    if not start or ord(start[-1]) >= 0xFFFF or ord(start[-1]) in range(0xD7FF, 0xE000):
        return None
    return start[:-1] + chr(ord(start[-1]) + 1)
