"""Which models and versions a filter leaves, in which order.

Prompts are models too, but nobody who looks for models means them: they are left out unless the
filter speaks of the tag that marks them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.errors import invalid
from everloop.registry.reading import read_models, read_versions
from everloop.registry.records import PROMPT, Model, ModelVersion
from everloop.store.filter.fields import NULLABLE_TEXT, NUMERIC, TEXT, Entity, Field, Fields
from everloop.store.filter.keyset import SortColumn, after, position, token
from everloop.store.filter.nodes import Comparison, Expression, Not, Order
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.sql import Clause, compare, found, holds, where
from everloop.store.paging import Found
from everloop.store.tables import model_tags, model_version_tags, model_versions, models

MOST_MODELS = 1000
MOST_VERSIONS = 200_000
"""Most items of a page."""

_M, _V = models.c, model_versions.c
_NAME = Field(operators=TEXT)
_TIME = Field("number", NUMERIC, quoted=True)
_NULLABLE = Field(operators=NULLABLE_TEXT, sortable=False)
_WORDS = ("attribute", "attributes", "attr")
_TAGS = Entity("tag", ("tag", "tags"), Field(operators=NULLABLE_TEXT, sortable=False))

MODEL_FIELDS = Fields(
    (
        Entity(
            "attribute",
            _WORDS,
            {
                "name": _NAME,
                "description": _NULLABLE,
                "creation_timestamp": _TIME,
                "last_updated_timestamp": _TIME,
            },
            {"timestamp": "last_updated_timestamp"},
        ),
        _TAGS,
    )
)
VERSION_FIELDS = Fields(
    (
        Entity(
            "attribute",
            _WORDS,
            {
                "name": _NAME,
                "version_number": _TIME,
                "run_id": _NULLABLE,
                "source_path": _NULLABLE,
                "current_stage": _NULLABLE,
                "status": _NULLABLE,
                "user_id": _NULLABLE,
                "creation_timestamp": _TIME,
                "last_updated_timestamp": _TIME,
            },
            {"version": "version_number", "source": "source_path"},
        ),
        _TAGS,
    )
)

_MODEL_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "name": _M.name,
    "description": _M.description,
    "creation_timestamp": _M.created,
    "last_updated_timestamp": _M.updated,
}
_VERSION_COLUMNS: dict[str, sa.ColumnElement[Any]] = {
    "name": _V.model,
    "version_number": _V.version,
    "run_id": _V.run,
    "source_path": _V.source,
    "current_stage": _V.stage,
    "status": _V.status,
    "user_id": _V.user,
    "creation_timestamp": _V.created,
    "last_updated_timestamp": _V.updated,
}
_NEWEST_FIRST = [Order("attribute", "last_updated_timestamp", descending=True)]


def search_models(
    conn: sa.Connection,
    filter: str,
    order_by: Sequence[str],
    limit: int,
    page_token: str | None,
) -> Found[Model]:
    """A page of models, by name unless ``order_by`` says otherwise."""
    check_limit(limit, MOST_MODELS)
    leaf = _leaf(conn.dialect.name, _MODEL_COLUMNS, _model_tag)
    orders = parse_order(order_by, MODEL_FIELDS)
    columns = _sorted(orders, _MODEL_COLUMNS, [Order("attribute", "name")])
    query = sa.select(models).where(_condition(parse_filter(filter, MODEL_FIELDS), leaf))
    return _page(read_models(conn, _next(query, columns, limit, page_token)), columns, limit)


def search_versions(
    conn: sa.Connection,
    filter: str,
    order_by: Sequence[str],
    limit: int,
    page_token: str | None,
) -> Found[ModelVersion]:
    """A page of versions, the last changed first unless ``order_by`` says otherwise."""
    check_limit(limit, MOST_VERSIONS)
    leaf = _leaf(conn.dialect.name, _VERSION_COLUMNS, _version_tag)
    orders = parse_order(order_by, VERSION_FIELDS) or _NEWEST_FIRST
    ties = [Order("attribute", "name"), Order("attribute", "version_number", descending=True)]
    columns = _sorted(orders, _VERSION_COLUMNS, ties)
    condition = _condition(parse_filter(filter, VERSION_FIELDS), leaf)
    query = sa.select(model_versions).where(condition)
    return _page(read_versions(conn, _next(query, columns, limit, page_token)), columns, limit)


def check_limit(limit: int, most: int) -> None:
    """Raises :class:`~everloop.errors.InvalidInput` for a page of no or too many items."""
    if not 1 <= limit <= most:
        raise invalid("limit", limit, f"a whole number from 1 to {most}")


def _condition(
    expression: Expression | None, leaf: Callable[[Comparison], Clause]
) -> sa.ColumnElement[bool]:
    ordinary = leaf(Comparison("tag", PROMPT, "=", "false"))
    if expression is None:
        return ordinary
    condition = where(expression, leaf)
    return condition if _mentions(expression) else ordinary & condition


def _mentions(expression: Expression) -> bool:
    """Whether a filter speaks of the tag of prompts."""
    if isinstance(expression, Comparison):
        return expression.entity == "tag" and expression.key == PROMPT
    if isinstance(expression, Not):
        return _mentions(expression.operand)
    return any(_mentions(one) for one in expression.operands)


def _leaf(
    dialect: str,
    columns: dict[str, sa.ColumnElement[Any]],
    tag: Callable[[str], tuple[sa.ColumnElement[Any], Sequence[Clause]]],
) -> Callable[[Comparison], Clause]:
    def leaf(one: Comparison) -> Clause:
        if one.entity == "attribute":
            return holds(compare(columns[one.key], one.operator, one.value, dialect))
        value, here = tag(one.key)
        if one.key == PROMPT:
            said = sa.select(sa.func.lower(value)).where(*here).scalar_subquery()
            wanted = one.value.lower() if isinstance(one.value, str) else one.value
            flag = sa.func.coalesce(said, "false", type_=sa.Text())
            return holds(compare(flag, one.operator, wanted, dialect))
        if one.operator in ("IS NULL", "IS NOT NULL"):
            there = sa.exists().where(*here)
            return there if one.operator == "IS NOT NULL" else sa.not_(there)
        return found(compare(value, one.operator, one.value, dialect), *here)

    return leaf


def _model_tag(key: str) -> tuple[sa.ColumnElement[Any], Sequence[Clause]]:
    table = model_tags.c
    return table.value, (table.model == _M.name, table.key == key)


def _version_tag(key: str) -> tuple[sa.ColumnElement[Any], Sequence[Clause]]:
    if key == PROMPT:  # what a model is, its versions are
        table = model_tags.c
        return table.value, (table.model == _V.model, table.key == key)
    tags = model_version_tags.c
    return tags.value, (tags.model == _V.model, tags.version == _V.version, tags.key == key)


def _sorted(
    orders: Sequence[Order],
    columns: dict[str, sa.ColumnElement[Any]],
    ties: Sequence[Order],
) -> list[SortColumn]:
    named = {one.key for one in orders}
    wanted = [*orders, *(tie for tie in ties if tie.key not in named)]
    return [
        SortColumn(columns[one.key], str if one.key == "name" else int, one.descending)
        for one in wanted
    ]


def _next(
    query: sa.Select[Any], columns: Sequence[SortColumn], limit: int, page_token: str | None
) -> sa.Select[Any]:
    if page_token is not None:
        query = query.where(after(columns, position(columns, page_token)))
    return query.order_by(*(column.ordered for column in columns)).limit(limit + 1)


def _page(items: list[Any], columns: Sequence[SortColumn], limit: int) -> Found[Any]:
    if len(items) <= limit:
        return Found(items, None)
    last = items[limit - 1]
    return Found(items[:limit], token([_value(last, column) for column in columns]))


def _value(item: Model | ModelVersion, column: SortColumn) -> Any:
    return getattr(item, str(column.expression.key))
