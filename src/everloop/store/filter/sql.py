"""A read filter as SQL. What the fields are in the database, the caller knows."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.filter.nodes import And, Comparison, Expression, Not, Or, Value

Clause = sa.ColumnElement[bool]

_COMPARE: dict[str, Callable[..., Clause]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_FEW = 50  # whole numbers that are bound as parameters; more are written into the statement
_GLOB = str.maketrans({"*": "[*]", "?": "[?]", "[": "[[]", "%": "*", "_": "?"})


def where(expression: Expression, leaf: Callable[[Comparison], Clause]) -> Clause:
    """The condition of a whole filter; ``leaf`` gives that of one comparison, never NULL."""
    match expression:
        case Comparison():
            return leaf(expression)
        case Not(operand):
            return sa.not_(where(operand, leaf))
        case And(operands):
            return sa.and_(*(where(one, leaf) for one in operands))
        case Or(operands):
            return sa.or_(*(where(one, leaf) for one in operands))


def compare(column: sa.ColumnElement[object], operator: str, value: Value, dialect: str) -> Clause:
    """A column against a value; NULL where the column is."""
    if isinstance(value, tuple):
        return column.not_in(value) if operator == "NOT IN" else column.in_(value)
    match operator:
        case "LIKE" | "ILIKE":
            return like(column, str(value), dialect, ignore_case=operator == "ILIKE")
        case "IS NULL":
            return column.is_(None)
        case "IS NOT NULL":
            return column.is_not(None)
    if isinstance(value, float):
        return _COMPARE[operator](column, sa.literal(value, sa.Float(53)))
    return _COMPARE[operator](column, value)


def like(
    column: sa.ColumnElement[object], pattern: str, dialect: str, *, ignore_case: bool
) -> Clause:
    """``LIKE``, where nothing escapes ``%`` and ``_``; ``ignore_case`` is about ASCII letters.

    SQLite's own LIKE ignores case; its GLOB does not.
    """
    if dialect == "sqlite":
        if ignore_case:
            return column.bool_op("LIKE")(pattern)
        return column.bool_op("GLOB")(pattern.translate(_GLOB))
    pattern = pattern.replace("\\", "\\\\")
    return column.ilike(pattern) if ignore_case else column.like(pattern)


def holds(condition: Clause) -> Clause:
    """A condition that is false where it would be NULL."""
    return sa.func.coalesce(condition, sa.false(), type_=sa.Boolean())


def found(column: sa.ColumnElement[bool], *where: Clause) -> Clause:
    """Whether a condition holds for the one row that ``where`` finds; false without such a row.

    A scalar subquery: unlike EXISTS no planner makes a join of it, so it stays one look into an
    index per row that asks.
    """
    return holds(sa.select(column).where(*where).scalar_subquery())


def id_list(ids: Sequence[int]) -> Any:
    """Whole numbers for ``IN``; many of them would be too many parameters."""
    many = len(ids) > _FEW
    return sa.bindparam(None, list(ids), sa.BigInteger(), expanding=True, literal_execute=many)
