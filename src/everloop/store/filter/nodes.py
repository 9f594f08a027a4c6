"""What a filter and an order say, once they are read."""

from __future__ import annotations

from typing import Literal, TypeAlias

import msgspec

Operator: TypeAlias = Literal[
    "=", "!=", "<", "<=", ">", ">=", "LIKE", "ILIKE", "IN", "NOT IN", "IS NULL", "IS NOT NULL"
]
Value: TypeAlias = str | int | float | tuple[str, ...] | None


class Comparison(msgspec.Struct, frozen=True):
    """One field against a value: ``metrics.loss < 0.1``.

    ``value`` is a number for numeric fields, a tuple for ``IN`` and ``NOT IN``, None for
    ``IS NULL`` and ``IS NOT NULL``, and text otherwise.
    """

    entity: str
    key: str
    operator: Operator
    value: Value = None


class Not(msgspec.Struct, frozen=True):
    """Holds where ``operand`` does not, also where a field is missing."""

    operand: Expression


class And(msgspec.Struct, frozen=True):
    """Holds where all operands do."""

    operands: tuple[Expression, ...]


class Or(msgspec.Struct, frozen=True):
    """Holds where at least one operand does."""

    operands: tuple[Expression, ...]


Expression: TypeAlias = Comparison | Not | And | Or


class Order(msgspec.Struct, frozen=True):
    """One sort key: ``metrics.loss DESC``."""

    entity: str
    key: str
    descending: bool = False


def conjuncts(expression: Expression | None) -> list[Expression]:
    """The parts that must all hold; none for an empty filter."""
    if expression is None:
        return []
    return list(expression.operands) if isinstance(expression, And) else [expression]
