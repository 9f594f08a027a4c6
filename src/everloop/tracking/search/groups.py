"""Runs by groups: how many, and the least, mean and largest value of metrics in each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import InvalidInput, invalid
from everloop.store.dialect import as_numbers, in_numbers
from everloop.store.filter.nodes import Order, conjuncts
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import find_field, parse_filter
from everloop.store.filter.tokens import tokens
from everloop.store.tables import experiments as experiments_table
from everloop.store.tables import run_metrics, run_params, run_tags, runs
from everloop.tracking.records import View
from everloop.tracking.search.conditions import Scope, condition
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.plan import Search
from everloop.tracking.search.runs import scope_of

MOST = 200
"""Groups of an answer, the largest."""
METRICS = 8
"""Metrics that are summed up at once."""
HUGE = 1e290
"""The size that larger values have in a mean."""

_TABLES = {"parameter": run_params, "tag": run_tags}


class Spread(msgspec.Struct, frozen=True):
    """A metric over the runs of a group that have it and are no NaN."""

    runs: int
    min: float
    mean: float
    max: float


class Group(msgspec.Struct, frozen=True):
    """The runs that share a ``value``; None is that of runs without one."""

    value: str | None
    runs: int
    metrics: dict[str, Spread]


class Groups(msgspec.Struct, frozen=True):
    """The largest groups; ``more`` is whether there are smaller ones."""

    groups: list[Group]
    more: bool


@dataclass(frozen=True)
class GroupKey:
    """What runs are grouped by: ``entity`` is attribute, parameter or tag."""

    entity: str
    key: str


def group_of(text: str) -> GroupKey:
    """Read ``status``, ``experiment``, ``params.NAME`` or ``tags.NAME``.

    Raises :class:`~everloop.errors.InvalidInput` with the code ``bad_group_by``.
    """
    expected = "status, experiment, params.NAME or tags.NAME"
    name, *rest = tokens(text)
    if name.kind in ("word", "name") and [token.kind for token in rest] == ["end"]:
        try:
            entity, key, _ = find_field(name, RUN_FIELDS)
        except InvalidInput:
            raise invalid("group_by", text, expected, code="bad_group_by") from None
        if entity.name in _TABLES or (entity.name == "attribute" and key in _ATTRIBUTES):
            return GroupKey(entity.name, key)
    raise invalid("group_by", text, expected, code="bad_group_by")


def grouped_runs(
    conn: sa.Connection,
    *,
    by: str,
    experiments: Sequence[int] | None = None,
    filter: str = "",
    metrics: Sequence[str] = (),
    order_by: Sequence[str] = (),
    view: View = "active",
) -> Groups:
    """The groups of the runs that a filter leaves, those with most runs first.

    A first sort key ``metrics.NAME`` of ``metrics`` sorts by its mean. It takes one pass over the
    runs, so its time grows with their number.
    """
    if len(metrics) > METRICS:
        raise invalid("metrics", f"<{len(metrics)} metrics>", f"at most {METRICS}")
    key, names = group_of(by), list(dict.fromkeys(metrics))
    orders = parse_order(order_by, RUN_FIELDS)
    wanted = parse_filter(filter, RUN_FIELDS)
    scope = scope_of(conn, experiments, view)
    if scope.experiments == ():
        return Groups([], False)
    query, given = _query(key, names, scope), {}
    if wanted is not None:
        parts = [condition(part, scope) for part in conjuncts(wanted)]
        numbers = Search(conn, scope).numbers(parts)
        query = query.where(in_numbers(runs.c.number, "some", scope.dialect))
        given["some"] = as_numbers(numbers, scope.dialect)
    query = query.order_by(*_orders(query, names, orders)).limit(MOST + 1)
    rows = conn.execute(query, given).all()
    return Groups([_group(row, names) for row in rows[:MOST]], len(rows) > MOST)


_ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "experiment": experiments_table.c.name,
    "status": runs.c.status,
}


def _query(key: GroupKey, metrics: Sequence[str], scope: Scope) -> sa.Select[Any]:
    rows: sa.FromClause = runs
    if key.entity == "attribute":
        value = _ATTRIBUTES[key.key]
        if key.key == "experiment":
            rows = rows.join(experiments_table, experiments_table.c.id == runs.c.experiment)
    else:
        t = _TABLES[key.entity].alias("grouped")
        rows = rows.outerjoin(t, (t.c.run == runs.c.number) & (t.c.key == key.key))
        value = t.c.value
    columns: list[sa.ColumnElement[Any]] = [value, sa.func.count()]
    for place, name in enumerate(metrics):
        m = run_metrics.alias(f"m{place}")
        own = (m.c.run == runs.c.number) & (m.c.key == name) & (m.c.nan == sa.false())
        rows = rows.outerjoin(m, own)
        columns += _spread(m.c.value)
    query = sa.select(*(column.label(f"c{n}") for n, column in enumerate(columns)))
    query = query.select_from(rows).where(scope.seen).group_by(value)
    if scope.experiments is not None:
        query = query.where(scope.of(runs.c.experiment))
    return query


def _spread(value: sa.ColumnElement[float]) -> list[sa.ColumnElement[Any]]:
    """Count, least, mean and largest. PostgreSQL refuses a sum, or AVG's squares, that overflow."""
    bound = sa.literal(HUGE, sa.Float(53))
    held = sa.case((value > bound, bound), (value < -bound, -bound), else_=value)
    count = sa.func.count(value)
    return [count, sa.func.min(value), sa.func.sum(held) / count, sa.func.max(value)]


def _orders(
    query: sa.Select[Any], metrics: Sequence[str], orders: Sequence[Order]
) -> list[sa.ColumnElement[Any]]:
    columns = list(query.selected_columns)
    found: list[sa.ColumnElement[Any]] = []
    if orders and orders[0].entity == "metric" and orders[0].key in metrics:
        mean = columns[2 + 4 * metrics.index(orders[0].key) + 2]
        found = [mean.is_(None), mean.desc() if orders[0].descending else mean.asc()]
    return [*found, columns[1].desc(), columns[0].is_(None), columns[0]]


def _group(row: Any, metrics: Sequence[str]) -> Group:
    spreads = {
        name: Spread(*row[2 + 4 * place : 6 + 4 * place])
        for place, name in enumerate(metrics)
        if row[2 + 4 * place]
    }
    return Group(row[0], row[1], spreads)
