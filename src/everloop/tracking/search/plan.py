"""Searching runs in a time that depends on what is asked for, not on how many runs there are.

There are two ways, and neither is always quick:

- **gather**: take the runs that some parts of the filter name by a short range of an index, ask
  the rest of the filter of each, sort what is left. Its cost grows with the runs so named.
- **walk**: go through an index that is in the asked order, ask the filter of each run, stop when
  the page is full. Its cost grows with how rarely the filter holds.

So the ranges are counted first, but not beyond a bound. Where one is short the runs are gathered,
else the index is walked; a walk that has gone far without a full page is given up for gathering.
Ranges overlap little exactly where walks are short, so the worst case is about the square root of
the page's length times the number of runs.

A walk meets runs with equal values in no useful order. Few of them are sorted here; many are a
search of their own, by the sort keys that follow. The same holds for the runs that have NaN, or no
value at all.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import groupby
from math import isqrt
from typing import Any

import sqlalchemy as sa

from everloop.store.filter.keyset import SortColumn, after
from everloop.store.filter.sql import Clause
from everloop.store.tables import experiments, runs
from everloop.tracking.search.conditions import Arm, Condition, Scope
from everloop.tracking.search.terms import MERGED, Inside, Lead, Term

SHORT = 300
"""How short a range is that is gathered at once, over the square root of the page's length."""
MEDIUM = 20_000
"""How short a range is that is gathered when a walk was given up."""
GROUP = 500
"""Runs with equal values that are sorted here rather than by a search of their own."""
CHUNK, LARGEST_CHUNK = 100, 2000
"""Steps of a walk at a time."""
PATIENCE = 6000
"""Steps of a walk before it is given up, and a quarter of what it may be expected to take."""
TASTE = 1500
"""Steps of a walk before anything is expected of it."""

Found = tuple[int, tuple[Any, ...]]
"""A run's number and its sort values."""


class _TooFar(Exception):
    """A walk has gone too far."""


@dataclass
class Search:
    """One search in a transaction, done by :meth:`run`."""

    conn: sa.Connection
    scope: Scope
    _steps: int = field(default=0, init=False)
    _hits: int = field(default=0, init=False)
    _patience: int = field(default=0, init=False)
    _lengths: dict[Arm, int] = field(default_factory=dict, init=False)

    def run(
        self,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
    ) -> list[Found]:
        """The first ``need`` runs behind the sort values ``behind``, in order."""
        self._patience = PATIENCE + 4 * need
        try:
            return self._ordered(terms, conditions, behind, need)
        except _TooFar:
            self._lengths.clear()
            named = self._short(conditions, MEDIUM)
            return self._gather(terms, conditions, behind, need, named)

    def numbers(self, conditions: Sequence[Condition]) -> list[int]:
        """All runs that a filter leaves, by number."""
        query = self._among(conditions, self._short(conditions, MEDIUM))
        return list(self.conn.execute(query.order_by(runs.c.number)).scalars())

    def _ordered(
        self,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
    ) -> list[Found]:
        lead = terms[0].lead
        few = SHORT * isqrt(need)
        short = self._short(conditions, 2 * few + 1)
        if len(short) > 1 or any(self._length(one) <= few for one in short):
            return self._gather(terms, conditions, behind, need, short)
        walked = self._walkable(lead)
        if lead is None or walked is None or self._few:
            return self._gather(terms, conditions, behind, need, short)
        return self._walk(lead, walked, terms, conditions, behind, need)

    # -- gather ----------------------------------------------------------------------------------

    def _gather(
        self,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
        named: Sequence[Condition],
    ) -> list[Found]:
        columns = _columns(terms)
        query = (
            self._among(conditions, named, terms)
            .add_columns(*(column.expression for column in columns))
            .order_by(*(column.ordered for column in columns))
            .limit(need)
        )
        if behind is not None:
            query = query.where(after(columns, behind))
        return [(row[0], tuple(row[1:])) for row in self.conn.execute(query)]

    def _among(
        self,
        conditions: Sequence[Condition],
        named: Sequence[Condition],
        terms: Sequence[Term] = (),
    ) -> sa.Select[Any]:
        """All runs that a filter leaves, of those that some of its parts name."""
        asked = [one.where for one in conditions if not (one in named and one.exact)]
        if named:
            sets = [_union([arm.runs for arm in one.arms]) for one in named]
            if len(sets) > 1:
                sets = [sa.intersect(*(sa.select(one.subquery()) for one in sets))]
            asked.append(runs.c.number.in_(sets[0]))  # within the experiments, as all arms are
        elif self.scope.experiments is not None:
            asked.append(self.scope.of(runs.c.experiment))
        query = sa.select(runs.c.number).select_from(_joined(runs, terms))
        return query.where(self.scope.seen, *asked)

    # -- walk ------------------------------------------------------------------------------------

    def _walk(
        self,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
    ) -> list[Found]:
        found: list[Found] = []
        segment = behind[0] if behind is not None and len(lead.segments) > 1 else 0
        if segment == 0:
            found = self._values(lead, walked, terms, conditions, behind, need)
        for other in lead.segments[1:]:
            if len(found) < need and segment <= other and not lead.excluded(other, conditions):
                inside = lead.segment(other)
                found += self._inside(inside, terms, conditions, behind, need - len(found))
        return found

    def _values(
        self,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
    ) -> list[Found]:
        """The runs that have a value, group by group of equal ones."""
        found: list[Found] = []
        steps = _Steps(self, lead, walked, terms, conditions, behind)
        size = max(CHUNK, need + need // 8)
        while len(found) < need:
            rows, done, hits = steps.next(size)
            if not done:
                self._spend(size, hits, need)
            groups = [(value, list(group)) for value, group in groupby(rows, lambda row: row[0])]
            last = None if done else groups.pop()
            for _, group in groups:
                found += steps.sort(group)
            if last is not None and len(last[1]) >= GROUP and len(found) < need:
                inside = lead.inside(last[0])
                found += self._inside(inside, terms, conditions, behind, need - len(found))
                steps.skip(last[0])
            elif last is not None:
                steps.again(last[1])
            if done:
                break
            size = min(size * 3, max(LARGEST_CHUNK, need))
        return found[:need]

    def _inside(
        self,
        inside: Inside,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
        need: int,
    ) -> list[Found]:
        """The runs with one value of the first sort key, by the other keys."""
        own = inside.values
        rest = behind[len(own) :] if behind is not None and behind[: len(own)] == own else None
        found = self._ordered(
            [*inside.terms, *terms[1:]], [*conditions, inside.condition], rest, need
        )
        return [(number, own + values) for number, values in found]

    def _spend(self, steps: int, hits: int, need: int) -> None:
        """Count steps of a walk and the runs they found; raises when it goes too far."""
        self._steps += steps
        self._hits += hits
        if self._hits >= need:
            return
        hopeless = self._steps >= TASTE and self._steps * need > 4 * self._patience * self._hits
        if hopeless or self._steps >= self._patience:
            raise _TooFar

    # -- which way -------------------------------------------------------------------------------

    def _short(self, conditions: Sequence[Condition], bound: int) -> list[Condition]:
        """The conditions whose ranges have fewer runs than ``bound``."""
        unknown = [arm for one in conditions for arm in one.arms if arm not in self._lengths]
        if unknown:
            counts = [_count(arm.range, bound) for arm in unknown]
            row = self.conn.execute(sa.select(*counts)).one()
            self._lengths.update(zip(unknown, row, strict=True))
        return [one for one in conditions if one.arms and self._length(one) < bound]

    def _length(self, one: Condition) -> int:
        return sum(self._lengths[arm] for arm in one.arms)

    @cached_property
    def _few(self) -> bool:
        """Whether there are so few runs that nothing is quicker than to sort them all."""
        query = sa.select(runs.c.number)
        if self.scope.experiments is not None:
            query = query.where(self.scope.of(runs.c.experiment))
        return int(self.conn.execute(sa.select(_count(query, GROUP))).scalar_one()) < GROUP

    def _walkable(self, lead: Lead | None) -> list[int] | None:
        """The experiments to walk; none for an index over all; None when that won't do."""
        if lead is None:
            return None
        if lead.experiment is None:
            return []
        chosen = self.scope.experiments
        if chosen is None or len(chosen) > MERGED:
            chosen = self._having(lead)
        return list(chosen) if 0 < len(chosen) <= MERGED else None

    def _having(self, lead: Lead) -> tuple[int, ...]:
        """Some experiments in which the index of a sort key has anything."""
        e = experiments
        entry = sa.select(sa.true()).select_from(lead.table)
        assert lead.experiment is not None
        entry = entry.where(lead.where, lead.experiment == e.c.id).limit(1)
        query = sa.select(e.c.id).where(self.scope.of(e.c.id), entry.exists()).limit(MERGED + 1)
        return tuple(self.conn.execute(query).scalars())


class _Steps:
    """A walk through the values of an index: rows of (value, number, sort values behind it)."""

    def __init__(
        self,
        search: Search,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: tuple[Any, ...] | None,
    ) -> None:
        self._search, self._lead, self._walked = search, lead, walked
        self._terms, self._conditions, self._behind = terms, conditions, behind
        self._open: list[Any] = []  # rows of a group that is not complete
        self._from: Clause = sa.true()
        own = len(lead.start(0))
        self._rest = _columns(terms)[own:]
        if behind is not None:
            value = sa.literal(behind[own - 1], lead.value.type)
            self._from = lead.value <= value if lead.descending else lead.value >= value

    def next(self, size: int) -> tuple[list[Any], bool, int]:
        """The rows of the next ``size`` steps, whether they are the last, how many are asked for.

        Rows that were given back by :meth:`again` come first once more.
        """
        lead = self._lead
        steps = self._steps(size)
        row = steps.c
        scope = self._search.scope
        asked = [scope.seen, *(one.where for one in self._conditions)]
        if lead.experiment is None and scope.experiments is not None:
            asked.append(scope.of(runs.c.experiment))
        tail = lead.tail(row.value, row.run)
        columns = [
            *(SortColumn(sa.literal(part), int) for part in lead.start(0)[:-1]),
            SortColumn(row.value, lead.kind, lead.descending),
            *(SortColumn(part, str, lead.descending) for part in tail),
            *self._rest[len(tail) :],
        ]
        if self._behind is not None:
            asked.append(after(columns, self._behind))
        sorts = [column.expression for column in columns[len(lead.start(0)) :]]
        query = self._looked_up(steps, [sa.and_(*asked).label("asked"), *sorts])
        query = query.order_by(*self._direction(row.value, row.run))
        rows = list(self._search.conn.execute(query))
        if rows:
            self._from = self._behind_row(rows[-1].value, rows[-1].run)
        kept, self._open = self._open, []
        return kept + rows, len(rows) < size, sum(row.asked for row in rows)

    def _looked_up(
        self, steps: sa.Subquery, columns: Sequence[sa.ColumnElement[Any]]
    ) -> sa.Select[Any]:
        """Something about the run of each step, one look into an index at a time."""
        row, rest = steps.c, self._terms[1:]
        if self._search.scope.dialect == "sqlite":
            both = _joined(steps.join(runs, runs.c.number == row.run), rest)
            return sa.select(row.value, row.run, *columns).select_from(both)
        # PostgreSQL would rather read the whole table; it cannot look through a LIMIT.
        one = sa.select(*(column.label(f"c{n}") for n, column in enumerate(columns)))
        one = one.select_from(_joined(runs, rest)).where(runs.c.number == row.run).limit(1)
        each = one.lateral()
        named = [each.c.c0.label("asked"), *list(each.c)[1:]]
        return sa.select(row.value, row.run, *named).select_from(steps.join(each, sa.true()))

    def again(self, rows: list[Any]) -> None:
        """Give rows of an incomplete group back."""
        self._open = rows

    def skip(self, value: Any) -> None:
        """Go on behind all rows with this value."""
        lead = self._lead
        here = sa.literal(value, lead.value.type)
        self._from = lead.value < here if lead.descending else lead.value > here

    def sort(self, group: list[Any]) -> Iterator[Found]:
        """The runs of one group that the filter leaves, sorted."""
        rows = [row for row in group if row.asked]
        for index in reversed(range(len(self._rest))):
            rows.sort(key=lambda row: row[3 + index], reverse=self._rest[index].descending)
        for row in rows:
            yield row.run, (*self._lead.start(row.value), *row[3:])

    def _steps(self, size: int) -> sa.Subquery:
        lead = self._lead
        whole = sa.select(lead.value.label("value"), lead.run.label("run")).where(
            lead.where, self._from, *lead.bounds(self._conditions)
        )
        if lead.experiment is None:
            return whole.order_by(*self._direction(lead.value, lead.run)).limit(size).subquery()
        parts = [
            whole.where(lead.experiment == experiment)
            .order_by(*self._direction(lead.value, lead.run))
            .limit(size)
            .subquery()
            for experiment in self._walked
        ]
        if len(parts) == 1:
            return parts[0]
        merged = sa.union_all(*(part.select() for part in parts)).subquery()
        ordered = merged.select().order_by(*self._direction(merged.c.value, merged.c.run))
        return ordered.limit(size).subquery()

    def _behind_row(self, value: Any, run: int) -> Clause:
        lead = self._lead
        here = sa.literal(value, lead.value.type)
        if lead.descending:
            return (lead.value <= here) & ((lead.value < here) | (lead.run < run))
        return (lead.value >= here) & ((lead.value > here) | (lead.run > run))

    def _direction(self, *columns: sa.ColumnElement[Any]) -> list[sa.ColumnElement[Any]]:
        return [c.desc() if self._lead.descending else c.asc() for c in columns]


def _columns(terms: Sequence[Term]) -> list[SortColumn]:
    return [column for term in terms for column in term.columns]


def _joined(table: sa.FromClause, terms: Sequence[Term]) -> sa.FromClause:
    for term in terms:
        if term.join is not None:
            other, on = term.join
            table = table.outerjoin(other, on)
    return table


def _union(queries: Sequence[sa.Select[tuple[int]]]) -> Any:
    return queries[0] if len(queries) == 1 else sa.union(*queries)


def _count(query: sa.Select[tuple[int]], bound: int) -> sa.ScalarSelect[Any]:
    some = query.limit(bound).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
