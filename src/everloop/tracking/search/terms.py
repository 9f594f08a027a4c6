"""What runs are sorted by: columns that a database can sort, and the index that is sorted already.

Every order ends with the newest start first and then the run's id, so it is total. Values come
first, whatever the direction, then NaN, then runs without the value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import sqlalchemy as sa

from everloop.store.filter.keyset import PREFIX, SortColumn
from everloop.store.filter.nodes import Comparison, Order
from everloop.store.filter.sql import Clause, compare
from everloop.store.tables import run_metrics, run_params, run_tags, runs
from everloop.store.tables.tracking import INDEXED
from everloop.tracking.records import RUN_NAME
from everloop.tracking.search.conditions import (
    Condition,
    Scope,
    lacks,
    metric_is,
    started_at,
    text_is,
)
from everloop.tracking.search.texts import LAST, indexed, length

VALUE, NAN, MISSING = 0, 1, 2
"""The segments of an order."""
MERGED = 32
"""Experiments whose indexes are walked together."""

Join = tuple[sa.FromClause, Clause]


@dataclass(frozen=True)
class Inside:
    """The runs that have one value of a sort key: how their sort values begin, what sorts them."""

    values: tuple[Any, ...]
    condition: Condition
    terms: tuple[Term, ...] = ()


class Term:
    """One sort key. ``columns`` may use a table of ``join``; none of them is NULL."""

    columns: tuple[SortColumn, ...]
    join: Join | None = None
    lead: Lead | None = None


class Lead:
    """An index in the order of a sort key.

    Parameters
    ----------
    table, run, value, experiment : the index's columns; ``experiment`` is None when the index has
        all experiments in one order.
    where : what else selects its part.
    tail : the sort columns that follow the value, for a row of ``scan``.
    """

    table: sa.FromClause
    run: sa.ColumnElement[int]
    value: sa.ColumnElement[Any]
    experiment: sa.ColumnElement[int] | None
    kind: type[int] | type[float] | type[str]
    descending: bool
    where: Clause = sa.true()
    entity: str = ""
    key: str = ""
    segments: tuple[int, ...] = (VALUE,)

    def tail(self, value: sa.ColumnElement[Any], run: sa.ColumnElement[int]) -> list[Any]:
        """More sort columns behind the value, of a row of the index."""
        return []

    def start(self, value: Any) -> tuple[Any, ...]:
        """How the sort values of a run with this value begin, ``tail`` not included."""
        return (VALUE, value)

    def same(self, value: Any) -> Any:
        """What a value of the index is sorted by, the same for all that count as equal."""
        return value

    def sorted_by(self, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        """:meth:`same` in SQL."""
        return value

    def last(self, value: Any) -> Any:
        """The largest value of the index that counts as equal to this one."""
        return value

    def inside(self, value: Any) -> Inside:
        """The runs with this value."""
        raise NotImplementedError

    def segment(self, segment: int) -> Inside:
        """The runs that have NaN, or no value."""
        raise NotImplementedError

    def bounds(self, conditions: Sequence[Condition]) -> list[Clause]:
        """What a filter says of the index's own value, so that its range is shorter."""
        return []

    def excluded(self, segment: int, conditions: Sequence[Condition]) -> bool:
        """Whether a filter leaves nothing of a segment."""
        own = [
            one.source.operator
            for one in conditions
            if isinstance(one.source, Comparison)
            and (one.source.entity, one.source.key) == (self.entity, self.key)
        ]
        if segment == NAN:
            return any(operator != "!=" for operator in own)
        return any(operator != "IS NULL" for operator in own)


class Metric(Term):
    """By a metric's newest value."""

    def __init__(self, key: str, descending: bool, scope: Scope, place: int) -> None:
        m = _table(run_metrics, place)
        self.join = m, (m.c.run == runs.c.number) & (m.c.key == key)
        segment = sa.case((m.c.run.is_(None), MISSING), (m.c.nan == sa.true(), NAN), else_=VALUE)
        value = sa.func.coalesce(m.c.value, 0.0, type_=sa.Float(53))
        self.columns = SortColumn(segment, int), SortColumn(value, float, descending)
        self.lead = MetricLead(key, descending, scope)


class MetricLead(Lead):
    def __init__(self, key: str, descending: bool, scope: Scope) -> None:
        c = run_metrics.c
        self.table, self.run, self.value, self.experiment = (
            run_metrics,
            c.run,
            c.value,
            c.experiment,
        )
        self.kind, self.descending, self.scope = float, descending, scope
        self.where = (c.key == key) & (c.nan == sa.false())
        self.entity, self.key = "metric", key
        self.segments = (VALUE, NAN, MISSING)

    def inside(self, value: Any) -> Inside:
        return Inside((VALUE, value), metric_is(self.key, value, self.scope))

    def segment(self, segment: int) -> Inside:
        if segment == NAN:
            return Inside((NAN, 0.0), metric_is(self.key, None, self.scope))
        return Inside((MISSING, 0.0), lacks(run_metrics, self.key))

    def bounds(self, conditions: Sequence[Condition]) -> list[Clause]:
        return [
            compare(self.value, one.source.operator, one.source.value, self.scope.dialect)
            for one in conditions
            if isinstance(one.source, Comparison)
            and (one.source.entity, one.source.key) == ("metric", self.key)
            and one.source.operator != "!="
        ]


class Text(Term):
    """By a param's or tag's value."""

    def __init__(
        self, table: sa.Table, key: str, descending: bool, scope: Scope, place: int
    ) -> None:
        t = _table(table, place)
        self.join = t, (t.c.run == runs.c.number) & (t.c.key == key)
        segment = sa.case((t.c.run.is_(None), MISSING), else_=VALUE)
        value = SortColumn(_text(sa.func.substr(t.c.value, 1, PREFIX)), str, descending)
        head = [SortColumn(_text(t.c.head), str, descending)] if scope.dialect != "sqlite" else []
        self.columns = (SortColumn(segment, int), *head, value)
        self.lead = TextLead(table, key, descending, scope)


class Rest(Term):
    """By what of a text its index does not hold, for runs that agree in what it does hold."""

    def __init__(self, table: sa.Table, key: str, descending: bool) -> None:
        t = table.alias()
        self.join = t, (t.c.run == runs.c.number) & (t.c.key == key)
        value = _text(sa.func.substr(t.c.value, 1, PREFIX))
        self.columns = (SortColumn(value, str, descending),)


class TextLead(Lead):
    def __init__(self, table: sa.Table, key: str, descending: bool, scope: Scope) -> None:
        c = table.c
        self.table, self.run, self.experiment = table, c.run, c.experiment
        self.value = indexed(table, scope.dialect)
        self.kind, self.descending, self.scope = str, descending, scope
        self.where = c.key == key
        self.entity, self.key = ("parameter" if table is run_params else "tag"), key
        self.segments = (VALUE, MISSING)
        self.texts = table
        self.length = length(scope.dialect)

    def same(self, value: str) -> str:
        return value[: self.length]

    def sorted_by(self, value: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return value if self.length < PREFIX else sa.func.substr(value, 1, PREFIX)

    def last(self, value: str) -> str:
        return value if len(value) < self.length else value + LAST

    def tail(self, value: sa.ColumnElement[Any], run: sa.ColumnElement[int]) -> list[Any]:
        if self.length == PREFIX:
            return []
        t = self.texts.alias()
        whole = sa.select(sa.func.substr(t.c.value, 1, PREFIX)).correlate_except(t)
        whole = whole.where(t.c.run == run, t.c.key == self.key)
        return [sa.case((sa.func.length(value) < INDEXED, value), else_=whole.scalar_subquery())]

    def inside(self, value: Any) -> Inside:
        same = text_is(self.texts, self.key, value, self.scope)
        if self.length == PREFIX:
            return Inside((VALUE, value), same)
        if len(value) < INDEXED:
            return Inside((VALUE, value, value), same)
        return Inside((VALUE, value), same, (Rest(self.texts, self.key, self.descending),))

    def segment(self, segment: int) -> Inside:
        texts = [""] if self.length == PREFIX else ["", ""]
        return Inside((MISSING, *texts), lacks(self.texts, self.key))


class Started(Term):
    """By when a run started."""

    def __init__(self, descending: bool, scope: Scope) -> None:
        self.columns = (SortColumn(runs.c.started, int, descending),)
        self.lead = StartedLead(descending, scope)


class StartedLead(Lead):
    def __init__(self, descending: bool, scope: Scope) -> None:
        r = _table(runs, 0)
        self.table, self.run, self.value = r, r.c.number, r.c.started
        merged = scope.experiments is not None and len(scope.experiments) <= MERGED
        self.experiment = r.c.experiment if merged else None
        self.kind, self.descending, self.scope = int, descending, scope
        self.entity, self.key = "attribute", "start_time"

    def start(self, value: Any) -> tuple[Any, ...]:
        return (value,)

    def inside(self, value: Any) -> Inside:
        return Inside((value,), started_at("=", value, self.scope))

    def bounds(self, conditions: Sequence[Condition]) -> list[Clause]:
        return [
            compare(self.value, one.source.operator, one.source.value, self.scope.dialect)
            for one in conditions
            if isinstance(one.source, Comparison)
            and (one.source.entity, one.source.key) == ("attribute", "start_time")
        ]


class Attribute(Term):
    """By another column of the run itself, for which there is no index."""

    def __init__(self, column: sa.ColumnElement[Any], kind: type[Any], descending: bool) -> None:
        segment = sa.case((column.is_(None), MISSING), else_=VALUE)
        value = sa.func.coalesce(column, 0) if kind is int else _text(column)
        self.columns = SortColumn(segment, int), SortColumn(value, kind, descending)


class Id(Term):
    """By the run's id."""

    def __init__(self, descending: bool = False) -> None:
        self.columns = (SortColumn(runs.c.id, str, descending),)


def terms(orders: Sequence[Order], scope: Scope) -> list[Term]:
    """The sort keys of an order, made total."""
    made: list[Term] = [_term(order, scope, place) for place, order in enumerate(orders)]
    if not any(isinstance(one, Started) for one in made):
        made.append(Started(True, scope))
    if not any(isinstance(one, Id) for one in made):
        made.append(Id())
    return made


def _term(order: Order, scope: Scope, place: int) -> Term:
    match order.entity, order.key:
        case "metric", key:
            return Metric(key, order.descending, scope, place)
        case "parameter", key:
            return Text(run_params, key, order.descending, scope, place)
        case "tag", key:
            return Text(run_tags, key, order.descending, scope, place)
        case _, "run_name":
            return Text(run_tags, RUN_NAME, order.descending, scope, place)
        case _, "start_time":
            return Started(order.descending, scope)
        case _, "run_id":
            return Id(order.descending)
        case _, "end_time":
            return Attribute(runs.c.finished, int, order.descending)
    column = {
        "artifact_uri": runs.c.location,
        "status": runs.c.status,
        "user_id": runs.c.user,
    }[order.key]
    return Attribute(by_bytes(column, scope.dialect), str, order.descending)


@cache
def _table(table: sa.Table, place: int) -> sa.FromClause:
    """A table under another name for each place in an order; to make one anew takes its time."""
    return table.alias(f"{table.name}_by_{place}")


def by_bytes(column: sa.ColumnElement[Any], dialect: str) -> sa.ColumnElement[Any]:
    """A column of text that sorts alike in both dialects, whatever a server's language is."""
    return sa.collate(column, "C") if dialect == "postgresql" else column


def _text(value: sa.ColumnElement[Any]) -> sa.ColumnElement[str]:
    return sa.func.coalesce(value, "", type_=sa.Text())
