"""Which experiments a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import invalid
from everloop.store.filter.keyset import SortColumn, key_page
from everloop.store.filter.nodes import Comparison, Order
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.sql import Clause, compare, found, where
from everloop.store.paging import Found
from everloop.store.tables import experiment_tags, experiments
from everloop.tracking.records import View
from everloop.tracking.search.fields import EXPERIMENT_FIELDS
from everloop.tracking.search.ids import is_experiment
from everloop.tracking.search.terms import by_bytes

MOST = 50_000
"""Experiments of a page."""

_C = experiments.c
_COLUMNS: dict[str, tuple[sa.ColumnElement[Any], type[Any]]] = {
    "creation_time": (_C.created, int),
    "experiment_id": (_C.id, int),
    "last_update_time": (_C.updated, int),
    "name": (_C.name, str),
}


def search_experiment_ids(
    conn: sa.Connection,
    *,
    filter: str | None,
    order_by: Sequence[str] | None,
    view: View,
    limit: int,
    token: str | None,
) -> Found[int]:
    """The ids of a page of experiments, the newest first where ``order_by`` doesn't decide.

    Raises :class:`~everloop.errors.InvalidInput` with the code ``bad_filter``, ``bad_order_by`` or
    ``bad_page_token``.
    """
    if not 1 <= limit <= MOST:
        raise invalid("limit", limit, f"1 to {MOST}")
    dialect = conn.dialect.name
    wanted = parse_filter(filter, EXPERIMENT_FIELDS)
    columns = _sorted(parse_order(order_by, EXPERIMENT_FIELDS), dialect)
    query = sa.select(_C.id)
    if wanted is not None:
        query = query.where(where(wanted, lambda one: _condition(one, dialect)))
    if view != "all":
        query = query.where(_C.deleted.is_(None) if view == "active" else _C.deleted.is_not(None))
    return key_page(conn, query, columns, limit, token)


def _sorted(orders: Sequence[Order], dialect: str) -> list[SortColumn]:
    """As MLflow's: by id, falling after an order that was given and rising after none."""
    chosen = list(orders) or [Order("attribute", "creation_time", True)]
    if not any(one.key == "experiment_id" for one in chosen):
        chosen.append(Order("attribute", "experiment_id", bool(orders)))
    found = []
    for one in chosen:
        column, kind = _COLUMNS[one.key]
        column = by_bytes(column, dialect) if kind is str else column
        found.append(SortColumn(column, kind, one.descending))
    return found


def _condition(one: Comparison, dialect: str) -> Clause:
    if one.entity == "attribute":
        if one.key == "experiment_id":
            return is_experiment(_C.id, one)
        return compare(_COLUMNS[one.key][0], one.operator, one.value, dialect)
    t = experiment_tags.c
    here = (t.experiment == _C.id) & (t.key == one.key)
    if one.operator == "IS NULL":
        return sa.not_(found(sa.true(), here))
    return found(compare(t.value, one.operator, one.value, dialect), here)
