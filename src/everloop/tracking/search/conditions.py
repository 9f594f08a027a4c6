"""A run filter's parts as SQL, twice over.

``where`` asks one run at a time, by primary keys. ``arms`` name the runs that a part holds for by a
range of an index, for where such a range is short. Which of the two is quick, ``plan`` finds out.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from everloop.store.filter.nodes import And, Comparison, Expression, Not, Or
from everloop.store.filter.sql import Clause, compare, found, holds, id_list
from everloop.store.tables import (
    experiments,
    run_datasets,
    run_inputs,
    run_metrics,
    run_params,
    run_tags,
    runs,
)
from everloop.tracking.records import CONTEXT, RUN_NAME, View
from everloop.tracking.search.texts import begins, by_index, narrowed

# Not to be taken for the tables of the query around a subquery.
_OTHER, _EVERY = runs.alias(), experiments.alias()
_ATTRIBUTES: dict[str, sa.ColumnElement[Any]] = {
    "artifact_uri": runs.c.location,
    "end_time": runs.c.finished,
    "run_id": runs.c.id,
    "start_time": runs.c.started,
    "status": runs.c.status,
    "user_id": runs.c.user,
}


@dataclass(frozen=True)
class Scope:
    """Where runs are looked for: ``experiments`` (None: in all), deleted or not."""

    experiments: tuple[int, ...] | None
    view: View
    dialect: str

    def of(self, column: sa.ColumnElement[Any]) -> Clause:
        """Whether an experiment is one of them, as a condition that an index can use."""
        if self.experiments is None:
            return column.in_(sa.select(_EVERY.c.id))
        if len(self.experiments) == 1:
            return column == self.experiments[0]
        return column.in_(id_list(self.experiments))

    @property
    def seen(self) -> Clause:
        """Whether a run is deleted or not, as asked."""
        if self.view == "all":
            return sa.true()
        deleted = runs.c.deleted
        return deleted.is_(None) if self.view == "active" else deleted.is_not(None)


@dataclass(frozen=True, eq=False)
class Arm:
    """Runs by a range of an index: ``runs`` selects them, ``range`` at least them, without a look
    at the table."""

    runs: sa.Select[tuple[int]]
    range: sa.Select[tuple[int]]


@dataclass(frozen=True, eq=False)
class Condition:
    """One part of a filter. ``arms`` together hold all its runs, and only these when ``exact``."""

    where: Clause
    arms: tuple[Arm, ...] = ()
    exact: bool = False
    source: Expression | None = None

    @property
    def whole(self) -> bool:
        """Whether the ranges of its arms have only runs that it names."""
        return all(arm.runs is arm.range for arm in self.arms)


def condition(expression: Expression, scope: Scope) -> Condition:
    """A part of a filter in SQL."""
    match expression:
        case Comparison():
            return _comparison(expression, scope)
        case Not(operand):
            return Condition(sa.not_(condition(operand, scope).where))
        case And(operands):
            parts = [condition(one, scope) for one in operands]
            arms = next((part.arms for part in parts if part.arms), ())
            return Condition(sa.and_(*(part.where for part in parts)), arms)
        case Or(operands):
            parts = [condition(one, scope) for one in operands]
            arms = tuple(arm for part in parts for arm in part.arms)
            return Condition(
                sa.or_(*(part.where for part in parts)),
                arms if all(part.arms for part in parts) else (),
                all(part.exact for part in parts),
            )


def text_is(table: sa.Table, key: str, start: str, scope: Scope) -> Condition:
    """Whether a param or tag begins as the index says that it does."""
    here = (table.c.run == runs.c.number) & (table.c.key == key)
    same = begins(table, start, scope.dialect)
    chosen = _keyed(table, key, scope).where(same)
    return Condition(found(same, here), (Arm(chosen, chosen),), exact=True)


def metric_is(key: str, value: float | None, scope: Scope) -> Condition:
    """Whether a metric is this number, or NaN (None)."""
    m = run_metrics.c
    same = m.nan == sa.true() if value is None else _finite(compare(m.value, "=", value, ""))
    chosen = _keyed(run_metrics, key, scope).where(same)
    here = (m.run == runs.c.number) & (m.key == key)
    return Condition(found(same, here), (Arm(chosen, chosen),), exact=True)


def lacks(table: sa.Table, key: str) -> Condition:
    """Whether a run has no such metric, param or tag."""
    here = (table.c.run == runs.c.number) & (table.c.key == key)
    return Condition(sa.not_(found(sa.true(), here)))


def started_at(operator: str, value: Any, scope: Scope) -> Condition:
    """When a run started, compared with a number."""
    c = _OTHER.c
    chosen = sa.select(c.number).where(
        scope.of(c.experiment), compare(c.started, operator, value, scope.dialect)
    )
    where = compare(runs.c.started, operator, value, scope.dialect)
    return Condition(where, (Arm(chosen, chosen),), exact=True)


def _comparison(one: Comparison, scope: Scope) -> Condition:
    match one.entity:
        case "metric":
            made = _metric(one, scope)
        case "parameter":
            made = _text(run_params, one, scope)
        case "tag":
            made = _text(run_tags, one, scope)
        case "dataset":
            made = _dataset(one, scope)
        case _:
            made = _attribute(one, scope)
    return Condition(made.where, made.arms, made.exact, one)


def _attribute(one: Comparison, scope: Scope) -> Condition:
    if one.key == "run_name":  # by the tag, which has an index
        return _text(run_tags, Comparison("tag", RUN_NAME, one.operator, one.value), scope)
    if one.key == "experiment":
        named = compare(experiments.c.name, one.operator, one.value, scope.dialect)
        return Condition(runs.c.experiment.in_(sa.select(experiments.c.id).where(named)))
    if one.key == "start_time" and one.operator != "!=":
        return started_at(one.operator, one.value, scope)
    where = holds(compare(_ATTRIBUTES[one.key], one.operator, one.value, scope.dialect))
    column = _OTHER.c[str(_ATTRIBUTES[one.key].key)]
    everywhere = sa.select(_OTHER.c.number).where(scope.of(_OTHER.c.experiment))
    chosen = everywhere.where(compare(column, one.operator, one.value, scope.dialect))
    indexed = one.key in ("run_id", "status") and one.operator in ("=", "IN")
    return Condition(where, (Arm(chosen, chosen if indexed else everywhere),), exact=True)


def _metric(one: Comparison, scope: Scope) -> Condition:
    m = run_metrics.c
    here = (m.run == runs.c.number) & (m.key == one.key)
    holds = compare(m.value, one.operator, one.value, scope.dialect)
    everywhere = _keyed(run_metrics, one.key, scope)
    if one.operator == "!=":
        different = holds | (m.nan == sa.true())
        return Condition(found(different, here), (Arm(everywhere.where(different), everywhere),))
    chosen = everywhere.where(_finite(holds))
    return Condition(found(_finite(holds), here), (Arm(chosen, chosen),), exact=True)


def _finite(holds: Clause) -> Clause:
    return (run_metrics.c.nan == sa.false()) & holds


def _text(table: sa.Table, one: Comparison, scope: Scope) -> Condition:
    if one.operator == "IS NULL":
        return lacks(table, one.key)
    here = (table.c.run == runs.c.number) & (table.c.key == one.key)
    holds = compare(table.c.value, one.operator, one.value, scope.dialect)
    everywhere = _keyed(table, one.key, scope)
    part, whole = narrowed(table, one, scope.dialect)
    span = everywhere.where(part) if part is not None else everywhere
    chosen = span if whole else span.where(by_index(table, one, scope.dialect))
    return Condition(found(holds, here), (Arm(chosen, span),), exact=True)


def _keyed(table: sa.Table, key: str, scope: Scope) -> sa.Select[tuple[int]]:
    c = table.c
    return sa.select(c.run).where(scope.of(c.experiment), c.key == key)


def _dataset(one: Comparison, scope: Scope) -> Condition:
    d, i = run_datasets.c, run_inputs.c
    joined = run_inputs.join(run_datasets, d.id == i.dataset)
    if one.key == "context":
        column: sa.ColumnElement[Any] = _context(i.tags, scope.dialect)
    else:
        column = d[one.key]
    asked = compare(column, one.operator, one.value, scope.dialect)
    here = sa.select(sa.true()).select_from(joined).where(i.run == runs.c.number, asked)
    used = sa.select(i.run).select_from(joined).where(scope.of(d.experiment)).distinct()
    return Condition(holds(here.limit(1).scalar_subquery()), (Arm(used.where(asked), used),), True)


def _context(tags: sa.ColumnElement[str], dialect: str) -> sa.ColumnElement[Any]:
    if dialect == "sqlite":
        return sa.func.json_extract(tags, f'$."{CONTEXT}"', type_=sa.Text())
    return sa.cast(tags, sa.JSON).op("->>", return_type=sa.Text())(CONTEXT)
