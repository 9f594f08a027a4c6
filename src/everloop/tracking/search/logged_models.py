"""Which logged models a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import invalid
from everloop.store.filter.keyset import SortColumn, key_page
from everloop.store.filter.nodes import And, Comparison, Expression, Not, Or
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.refusal import bad_order, check_text
from everloop.store.filter.sql import Clause, compare, found, holds, id_list, where
from everloop.store.paging import Found
from everloop.store.tables import (
    logged_model_metrics,
    logged_model_params,
    logged_model_tags,
    logged_models,
)
from everloop.tracking.records import MeasuredOn, ModelOrder
from everloop.tracking.search.fields import MODEL_FIELDS
from everloop.tracking.search.ids import is_experiment
from everloop.tracking.search.terms import MISSING, NAN, VALUE, by_bytes

MOST = 1000
"""Models of a page, also when more are asked for."""
LONGEST = 1000
"""Characters of a sort key."""

_C, _M = logged_models.c, logged_model_metrics.c
_COLUMNS: dict[str, tuple[sa.ColumnElement[Any], type[Any]]] = {
    "creation_timestamp": (_C.created, int),
    "last_updated_timestamp": (_C.updated, int),
    "model_id": (_C.id, str),
    "model_type": (_C.type, str),
    "name": (_C.name, str),
    "source_run_id": (_C.run, str),
    "status": (_C.status, str),
}


def search_logged_model_ids(
    conn: sa.Connection,
    *,
    experiments: Sequence[int],
    filter: str | None,
    datasets: Sequence[MeasuredOn],
    order_by: Sequence[ModelOrder],
    limit: int,
    token: str | None,
) -> Found[str]:
    """The ids of a page of models that are not deleted, the newest first by default.

    With ``datasets``, conditions on metrics mean those measured on one of these; without such a
    condition, the models that were measured on one are left.
    """
    if limit < 1:
        raise invalid("limit", limit, "1 or more")
    limit = min(limit, MOST)
    dialect = conn.dialect.name
    wanted = parse_filter(filter, MODEL_FIELDS)
    columns = _sorted(order_by, dialect)
    ids = sorted({one for one in experiments if 0 <= one < 2**31})
    query = sa.select(_C.id).where(_C.experiment.in_(id_list(ids)), _C.deleted.is_(None))
    if wanted is not None:
        query = query.where(where(wanted, lambda one: _condition(one, datasets, dialect)))
    if datasets and not _mentions_metrics(wanted):
        query = query.where(_measured(_M.model == _C.id, _on(datasets)))
    return key_page(conn, query, columns, limit, token)


def _condition(one: Comparison, datasets: Sequence[MeasuredOn], dialect: str) -> Clause:
    if one.entity == "metric":
        met = compare(_M.value, one.operator, one.value, dialect)
        nan = _M.nan == sa.true()
        met = met | nan if one.operator == "!=" else met & ~nan
        return _measured(_M.model == _C.id, _M.key == one.key, met, _on(datasets))
    if one.entity == "attribute":
        return _attribute(one, dialect)
    table = logged_model_params if one.entity == "parameter" else logged_model_tags
    here = (table.c.model == _C.id) & (table.c.key == one.key)
    if one.operator == "IS NULL":
        return sa.not_(found(sa.true(), here))
    return found(compare(table.c.value, one.operator, one.value, dialect), here)


def _attribute(one: Comparison, dialect: str) -> Clause:
    if one.key == "experiment_id":
        return is_experiment(_C.experiment, one)
    return holds(compare(_COLUMNS[one.key][0], one.operator, one.value, dialect))


def _measured(*where: Clause) -> Clause:
    return sa.select(sa.true()).select_from(logged_model_metrics).where(*where).exists()


def _on(datasets: Sequence[MeasuredOn]) -> Clause:
    """Whether a metric was measured on one of some datasets; on any, when none are named."""
    named = [
        (_M.dataset_name == one.name)
        & (_M.dataset_digest == one.digest if one.digest is not None else sa.true())
        for one in datasets
    ]
    return sa.or_(*named) if named else sa.true()


def _mentions_metrics(expression: Expression | None) -> bool:
    match expression:
        case Comparison():
            return expression.entity == "metric"
        case Not(operand):
            return _mentions_metrics(operand)
        case And(operands) | Or(operands):
            return any(_mentions_metrics(one) for one in operands)
    return False


def _sorted(orders: Sequence[ModelOrder], dialect: str) -> list[SortColumn]:
    found: list[SortColumn] = []
    names = []
    for order in orders:
        check_text("order_by", order.field, LONGEST)
        entity, dot, key = order.field.partition(".")
        if entity == "metrics" and dot:
            found += _by_metric(key.strip("`\"'"), order)
            continue
        name = _name(order.field)
        names.append(name)
        found += _by_column(name, not order.ascending, dialect)
    if "creation_timestamp" not in names:
        found += _by_column("creation_timestamp", True, dialect)
    if "model_id" not in names:
        found += _by_column("model_id", False, dialect)
    return found


def _name(field: str) -> str:
    entity = MODEL_FIELDS.entity(None)
    name = field.strip().removeprefix("attributes.").removeprefix("attribute.").strip("`")
    known = entity.find(name) if entity is not None else None
    if known is None or not known[1].sortable:
        only = ". Only metrics are supported." if "." in field else ""
        raise bad_order(f"Invalid order by field name: {field[:80]}{only}", got=field)
    return known[0]


def _by_column(name: str, descending: bool, dialect: str) -> list[SortColumn]:
    column, kind = _COLUMNS[name]
    segment = sa.case((column.is_(None), MISSING), else_=VALUE)
    column = sa.func.coalesce(column, "") if kind is str else column
    column = by_bytes(column, dialect) if kind is str else column
    nullable = name in ("model_type", "source_run_id")
    own = SortColumn(column, kind, descending)
    return [SortColumn(segment, int), own] if nullable else [own]


def _by_metric(key: str, order: ModelOrder) -> list[SortColumn]:
    """By the newest value, of all or of those measured on a dataset."""
    here: list[Any] = [_M.model == _C.id, _M.key == key]
    if order.dataset_name:
        here.append(_M.dataset_name == order.dataset_name)
    if order.dataset_digest:
        here.append(_M.dataset_digest == order.dataset_digest)
    newest = (_M.at.desc(), _M.step.desc(), _M.run)

    def latest(column: sa.ColumnElement[Any]) -> sa.ScalarSelect[Any]:
        return sa.select(column).where(*here).order_by(*newest).limit(1).scalar_subquery()

    nan = latest(_M.nan)
    segment = sa.case((nan.is_(None), MISSING), (nan == sa.true(), NAN), else_=VALUE)
    value = sa.func.coalesce(latest(_M.value), 0.0, type_=sa.Float(53))
    return [SortColumn(segment, int), SortColumn(value, float, not order.ascending)]
