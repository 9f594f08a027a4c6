"""Ids of experiments in a filter, where they are text."""

from __future__ import annotations

import sqlalchemy as sa

from everloop.store.filter.nodes import Comparison
from everloop.store.filter.refusal import bad_filter
from everloop.store.filter.sql import Clause, id_list

NOBODYS = -1
"""Stands for a number that is too large for an id."""


def is_experiment(column: sa.ColumnElement[int], one: Comparison) -> Clause:
    """Whether a column holds one of a comparison's ids, or none of them where it says so."""
    texts = one.value if isinstance(one.value, tuple) else (str(one.value),)
    inside = column.in_(id_list([_id(text) for text in texts]))
    return sa.not_(inside) if one.operator in ("!=", "NOT IN") else inside


def _id(text: str) -> int:
    if not (text.isascii() and text.isdigit()):
        raise bad_filter(f"Invalid experiment ID: {text[:80]!r}. Must be an integer.")
    number = int(text.lstrip("0")[:11] or "0")
    return number if number < 2**31 else NOBODYS
