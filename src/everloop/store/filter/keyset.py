"""Pages in an order by several columns: they begin behind the last row of the page before.

A page token carries that row's values, so that pages neither skip nor repeat a row that stays as it
is, whatever is written in between.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from everloop.errors import InvalidInput
from everloop.store.paging import Found, pack, unpack

PREFIX = 500
"""Characters by which texts are ordered."""


@dataclass(frozen=True)
class SortColumn:
    """An expression that is never NULL, and its direction."""

    expression: sa.ColumnElement[Any]
    kind: type[int] | type[float] | type[str]
    descending: bool = False

    @property
    def ordered(self) -> sa.ColumnElement[Any]:
        """For ``ORDER BY``."""
        return self.expression.desc() if self.descending else self.expression.asc()


def after(columns: Sequence[SortColumn], values: Sequence[Any]) -> sa.ColumnElement[bool]:
    """Whether a row comes behind the one with these values."""
    condition: sa.ColumnElement[bool] = sa.false()
    for column, value in reversed(list(zip(columns, values, strict=True))):
        here = sa.literal(value, _TYPES[column.kind])
        behind = column.expression < here if column.descending else column.expression > here
        condition = behind | ((column.expression == here) & condition)
    return condition


def token(values: Sequence[Any]) -> str:
    """The token of the page behind the row with these values."""
    return pack([*values])


def position(columns: Sequence[SortColumn], text: str) -> list[Any]:
    """The values of a token; raises InvalidInput ``bad_page_token`` unless they fit the columns."""
    values = unpack(text, list[int | float | str])
    fits = len(values) == len(columns) and all(
        _fits(column.kind, value) for column, value in zip(columns, values, strict=True)
    )
    if not fits:
        raise InvalidInput(
            "page_token: got the token of another search, expected that of the page before, "
            "with the same order.",
            code="bad_page_token",
            path="page_token",
        )
    return [float(v) if c.kind is float else v for c, v in zip(columns, values, strict=True)]


def key_page(
    conn: sa.Connection,
    query: sa.Select[Any],
    columns: Sequence[SortColumn],
    limit: int,
    page_token: str | None,
) -> Found[Any]:
    """A page of the keys that ``query`` selects; raises InvalidInput ``bad_page_token``."""
    query = query.add_columns(*(column.expression for column in columns))
    if page_token:
        query = query.where(after(columns, position(columns, page_token)))
    query = query.order_by(*(column.ordered for column in columns)).limit(limit + 1)
    rows = conn.execute(query).all()
    more = token(rows[limit - 1][1:]) if len(rows) > limit else None
    return Found([row[0] for row in rows[:limit]], more)


def _fits(kind: type, value: Any) -> bool:
    if kind is str:
        return isinstance(value, str) and "\0" not in value
    if kind is int:
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return isinstance(value, int | float) and not math.isnan(value)


_TYPES: dict[type, sa.types.TypeEngine[Any]] = {
    int: sa.BigInteger(),
    float: sa.Float(53),
    str: sa.Text(),
}
