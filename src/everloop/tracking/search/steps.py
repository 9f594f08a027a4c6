"""Going through the index of a sort key, and looking at the run of each of its rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, TypeAlias

import sqlalchemy as sa

from everloop.store.filter.keyset import SortColumn, after
from everloop.store.filter.sql import Clause
from everloop.store.tables import runs
from everloop.tracking.search.conditions import Condition, Scope
from everloop.tracking.search.terms import Lead, Term
from everloop.tracking.search.texts import LAST

GROUP = 500
"""Runs with equal values that are sorted here rather than by a search of their own."""
CHUNK, LARGEST_CHUNK = 100, 2000
"""Steps of a walk at a time."""

Found: TypeAlias = tuple[int, tuple[Any, ...]]
"""A run's number and its sort values."""
Behind: TypeAlias = tuple[Any, ...] | None
"""The sort values that a page begins behind."""

_LARGEST = 2**63 - 1
_ENDS: dict[type, tuple[Any, Any]] = {
    int: (-_LARGEST, _LARGEST),
    float: (-float("inf"), float("inf")),
    str: ("", LAST),
}
_VALUE, _RUN, _SIZE = "here_value", "here_run", "size"


@dataclass(frozen=True)
class Part:
    """What some steps found: runs in order, and perhaps a value that too many runs have."""

    found: list[Found]
    steps: int
    hits: int
    done: bool
    group: Any = None


class Steps:
    """A walk through the values of an index, or of those of the runs ``among``.

    Its one statement is made once, for all its parts.
    """

    def __init__(
        self,
        conn: sa.Connection,
        scope: Scope,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        among: sa.Select[Any] | None = None,
    ) -> None:
        self._conn, self._lead = conn, lead
        self._open: list[Any] = []  # rows of a group that is not complete
        self._size = CHUNK * 3 if conditions else CHUNK
        self._hits = self._steps = 0
        self._endless = among is None
        if behind is None:
            self._value: Any = _ENDS[lead.kind][lead.descending]
            self._run = _LARGEST if lead.descending else -1
        else:
            self._go(behind[len(lead.start(0)) - 1], before=True)
        steps = _range(lead, walked, conditions, among)
        asked = [scope.seen, *(one.where for one in conditions)]
        columns = _columns(scope, lead, steps.c, terms)
        if lead.experiment is None and scope.experiments is not None:
            asked.append(scope.of(runs.c.experiment))
        if behind is not None:
            asked.append(after(columns, behind))
        self._rest = columns[len(lead.start(0)) :]
        sorts = [column.expression for column in self._rest]
        query = looked_up(scope, steps, terms[1:], [_as_number(sa.and_(*asked)), *sorts])
        self._query = query.order_by(*_direction(lead, steps.c.value, steps.c.run))

    def next(self, need: int) -> Part:
        """The next steps, more of them each time."""
        lead, size = self._lead, max(self._size, need + need // 8)
        here = {_VALUE: self._value, _RUN: self._run, _SIZE: size}
        rows: list[Any] = list(self._conn.execute(self._query, here).all())
        done, hits = len(rows) < size, sum(row[2] for row in rows)
        if rows:
            self._value, self._run = rows[-1][0], rows[-1][1]
        self._hits += hits
        self._steps += size
        likely = (need - self._hits) * self._steps * 5 // (4 * max(1, self._hits))
        most = min(size * 4, max(LARGEST_CHUNK, need))
        self._size = max(CHUNK, min(likely, most) if self._endless else likely)
        rows = self._open + rows
        start = len(rows) if done else self._last_group(rows)
        found = self._sorted(row for row in rows[:start] if row[2])
        self._open = rows[start:]
        if len(self._open) < GROUP:
            return Part(found, size, hits, done)
        value = lead.same(self._open[0][0])
        self._open = []
        self._go(value, before=False)
        return Part(found, size, hits, done, value)

    def _last_group(self, rows: list[Any]) -> int:
        """Where the rows begin that are equal to the last one."""
        same, start = self._lead.same, len(rows) - 1
        value = same(rows[start][0])
        while start and same(rows[start - 1][0]) == value:
            start -= 1
        return start

    def _go(self, value: Any, *, before: bool) -> None:
        """Stand before all rows with a value, or behind them."""
        lead = self._lead
        self._value = value if lead.descending is not before else lead.last(value)
        self._run = _LARGEST if lead.descending is before else -1

    def _sorted(self, rows: Iterable[Any]) -> list[Found]:
        """The runs of whole groups, sorted where they are equal."""
        lead, found = self._lead, []
        for value, some in groupby(rows, lambda row: lead.same(row[0])):
            group = list(some)
            if len(group) > 1:
                for index in reversed(range(len(self._rest))):
                    down = self._rest[index].descending
                    group.sort(key=lambda row: row[3 + index], reverse=down)
            start = lead.start(value)
            found += [(row[1], (*start, *row[3:])) for row in group]
        return found


def scanned(
    conn: sa.Connection,
    scope: Scope,
    lead: Lead,
    walked: Sequence[int],
    terms: Sequence[Term],
    conditions: Sequence[Condition],
    behind: Behind,
    among: sa.Select[Any] | None,
    need: int,
    *,
    whole: bool,
) -> list[Found]:
    """The first runs with a value, of those that are ``among`` some.

    ``whole`` is whether the index is to be gone through, rather than looked into for each of these.
    """
    # A sum is no column: no database looks for a row by it.
    run = lead.run + sa.literal_column("0") if whole else lead.run
    rows = sa.select(lead.value.label("value"), run.label("run")).where(
        lead.where, *lead.bounds(conditions)
    )
    if among is not None:
        rows = rows.where(run.in_(among))
    wanted = [scope.seen, *(one.where for one in conditions)]
    if lead.experiment is not None:
        one = len(walked) == 1
        rows = rows.where(lead.experiment == walked[0] if one else lead.experiment.in_(walked))
    elif scope.experiments is not None:
        wanted.append(scope.of(runs.c.experiment))
    if behind is not None:
        value = behind[len(lead.start(0)) - 1]
        at_least, at_most = lead.value >= value, lead.value <= lead.last(value)
        rows = rows.where(at_most if lead.descending else at_least)
    if scope.dialect == "postgresql":  # in order, so that it may stop when the page is full
        rows = rows.order_by(*_direction(lead, lead.value)).offset(0)
    members = rows.subquery()
    columns = _columns(scope, lead, members.c, terms)
    if behind is not None:
        wanted.append(after(columns, behind))
    own = len(lead.start(0))
    sorts = [column.expression for column in columns[own:]]
    query = looked_up(scope, members, terms[1:], sorts, wanted)
    first = SortColumn(lead.sorted_by(members.c.value), lead.kind, lead.descending)
    query = query.order_by(first.ordered, *as_selected(query, columns[own:])).limit(need)
    return [(row[1], (*lead.start(lead.same(row[0])), *row[2:])) for row in conn.execute(query)]


def looked_up(
    scope: Scope,
    rows: sa.Subquery,
    terms: Sequence[Term],
    columns: Sequence[sa.ColumnElement[Any]],
    where: Sequence[Clause] = (),
) -> sa.Select[Any]:
    """The rows, with ``columns`` of the run that the last of their own columns is the number of.

    It takes one look into an index for each.
    """
    row = rows.c
    if scope.dialect == "sqlite":
        both = joined(rows.join(runs, runs.c.number == list(row)[-1]), terms)
        return sa.select(*row, *columns).select_from(both).where(*where)
    # PostgreSQL would rather read the whole table; it cannot look through a LIMIT.
    one = sa.select(*(column.label(f"c{n}") for n, column in enumerate(columns)))
    one = (
        one.select_from(joined(runs, terms)).where(runs.c.number == list(row)[-1], *where).limit(1)
    )
    each = one.lateral()
    return sa.select(*row, *each.c).select_from(rows.join(each, sa.true()))


def as_selected(
    query: sa.Select[Any], columns: Sequence[SortColumn]
) -> list[sa.ColumnElement[Any]]:
    """For ``ORDER BY``: the last columns of a query, which are ``columns``."""
    names = list(query.selected_columns)[-len(columns) :]
    return [
        name.desc() if column.descending else name.asc()
        for name, column in zip(names, columns, strict=True)
    ]


def all_columns(terms: Sequence[Term]) -> list[SortColumn]:
    """What runs are sorted by."""
    return [column for term in terms for column in term.columns]


def joined(table: sa.FromClause, terms: Sequence[Term]) -> sa.FromClause:
    """A table with what holds the sort values of its runs."""
    for term in terms:
        if term.join is not None:
            other, on = term.join
            table = table.outerjoin(other, on)
    return table


def _columns(scope: Scope, lead: Lead, row: Any, terms: Sequence[Term]) -> list[SortColumn]:
    """What the runs of an index's rows are sorted by."""
    tail = lead.tail(row.value, row.run)
    return [
        *(SortColumn(sa.literal(part), int) for part in lead.start(0)[:-1]),
        SortColumn(lead.sorted_by(row.value), lead.kind, lead.descending),
        *(SortColumn(part, str, lead.descending) for part in tail),
        *all_columns(terms[1:]),
    ]


def _range(
    lead: Lead,
    walked: Sequence[int],
    conditions: Sequence[Condition],
    among: sa.Select[Any] | None,
) -> sa.Subquery:
    """Some rows of the index, from where the walk stands.

    Those of the runs ``among``, which are within the experiments, are not read from the index, but
    looked up for each of these runs and sorted.
    """
    value = sa.bindparam(_VALUE, type_=lead.value.type)
    run = sa.bindparam(_RUN, type_=sa.BigInteger())
    size = sa.bindparam(_SIZE, type_=sa.Integer())
    if lead.descending:
        here = (lead.value <= value) & ((lead.value < value) | (lead.run < run))
    else:
        here = (lead.value >= value) & ((lead.value > value) | (lead.run > run))
    whole = sa.select(lead.value.label("value"), lead.run.label("run"))
    whole = whole.where(lead.where, here, *lead.bounds(conditions))
    if among is not None:
        whole = whole.where(lead.run.in_(among))
    ordered = whole.order_by(*_direction(lead, lead.value, lead.run)).limit(size)
    if lead.experiment is None or among is not None:
        return ordered.subquery()
    parts = [ordered.where(lead.experiment == experiment).subquery() for experiment in walked]
    if len(parts) == 1:
        return parts[0]
    merged = sa.union_all(*(part.select() for part in parts)).subquery()
    both = merged.select().order_by(*_direction(lead, merged.c.value, merged.c.run))
    return both.limit(size).subquery()


def _as_number(clause: Clause) -> sa.ColumnElement[int]:
    """1 where it holds, else 0: cheaper to read than a truth value."""
    return sa.case((clause, 1), else_=0)


def _direction(lead: Lead, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
    return [c.desc() if lead.descending else c.asc() for c in columns]
