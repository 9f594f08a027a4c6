"""Searching runs in a time that depends on what is asked for, not on how many runs there are.

There are four ways, and none is always quick:

- **gather**: take the runs that some parts of the filter name by a short range of an index, ask
  the rest of the filter of each, sort what is left. Its cost grows with the runs so named.
- **walk**: go through an index that is in the asked order, ask the filter of each run, stop when
  the page is full. Its cost grows with how rarely the filter holds.
- **sift**: look up and sort only the values of the runs that are named, then ask the rest of the
  filter of the first ones. Its cost grows as that of a gather, more slowly.
- **pass**: let indexes alone name the runs, then go through the index in order and ask only
  whether a run is among them. Its cost grows with the number of all runs, by a tenth of a walk's.

So the ranges are counted first, but not beyond a bound. Where one is short the runs are gathered,
else the index is walked; a walk that has gone far without a full page is given up for a sift or,
where many runs are named, a pass. Ranges overlap little exactly where walks are short, so where
values have nothing to do with each other the cost is about the square root of the page's length
times the number of runs.

A walk meets runs with equal values in no useful order. Few of them are sorted here; many are a
search of their own, by the sort keys that follow. The same holds for the runs that have NaN, or no
value at all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import isqrt
from typing import Any

import sqlalchemy as sa

from everloop.store.dialect import as_numbers, given_numbers, rows_by_statistics
from everloop.store.filter.keyset import after
from everloop.store.filter.sql import Clause
from everloop.store.tables import experiments, runs
from everloop.tracking.search.conditions import Arm, Condition, Scope
from everloop.tracking.search.steps import (
    Behind,
    Found,
    Part,
    Steps,
    all_columns,
    as_selected,
    joined,
    looked_up,
    scanned,
)
from everloop.tracking.search.terms import MERGED, Inside, Lead, Term

SHORT = 300
"""How short a range is that is gathered at once, over the square root of the page's length."""
FEW = 500
"""So few runs that nothing is quicker than to sort them all."""
PATIENCE = 3000
"""Steps that a walk may take in any case."""
TASTE = 300
"""Steps of a walk before anything is expected of it."""
DENSE = 15
"""Rows of an index that PostgreSQL passes in the time of one look at another."""
COUNTED = 30_000
"""How far ranges are counted when a walk was given up."""
TINY = 300
"""How short a range is whose runs PostgreSQL is to look at all."""
MEDIUM = 20_000
"""How short a range is whose runs' values are looked up and sorted rather than met in order."""
LOOK = 5
"""Runs that an index names in the time of one look at a run."""

_FEW = sa.select(sa.func.count()).select_from(
    sa.select(runs.c.number)
    .where(runs.c.experiment == sa.bindparam("experiment"))
    .limit(sa.bindparam("most"))
    .subquery()
)

Values = Callable[
    [Lead, Sequence[int], Sequence[Term], Sequence[Condition], Behind, int], list[Found]
]


class _TooFar(Exception):
    """A walk has gone too far."""


@dataclass
class Search:
    """One search in a transaction, done by :meth:`run`."""

    conn: sa.Connection
    scope: Scope
    _steps: int = field(default=0, init=False)
    _hits: int = field(default=0, init=False)
    _conditions: Sequence[Condition] = field(default=(), init=False)
    _lengths: dict[Arm, tuple[int, int]] = field(default_factory=dict, init=False)

    def run(
        self, terms: Sequence[Term], conditions: Sequence[Condition], behind: Behind, need: int
    ) -> list[Found]:
        """The first ``need`` runs behind the sort values ``behind``, in order."""
        if self._few():
            return self._gather(terms, conditions, behind, need)
        self._conditions = conditions
        try:
            return self._ordered(terms, conditions, behind, need)
        except _TooFar:
            return self._scan(terms, conditions, behind, need)

    def numbers(self, conditions: Sequence[Condition]) -> list[int]:
        """All runs that a filter leaves, by number."""
        sets = self._sets(conditions)
        asked = [self.scope.seen, *(one.where for one in _left(conditions, sets))]
        query = self._among(asked, _named(sets))
        return list(self.conn.execute(query.order_by(runs.c.number)).scalars())

    def _ordered(
        self, terms: Sequence[Term], conditions: Sequence[Condition], behind: Behind, need: int
    ) -> list[Found]:
        few = SHORT * isqrt(need)
        short = self._short(conditions, 2 * few + 1)
        named = len(short) > 1 or any(self._length(one) <= few for one in short)
        if named and self._looks_are_cheap(short):
            return self._gather(terms, conditions, behind, need, short)
        walked = self._walkable(terms[0].lead)
        if named and walked is not None:
            return self._in_order(self._sift, self._rest, walked, terms, conditions, behind, need)
        if walked is None:
            return self._gather(terms, conditions, behind, need, self._sets(conditions))
        return self._in_order(self._walk, self._ordered, walked, terms, conditions, behind, need)

    # -- gather ----------------------------------------------------------------------------------

    def _gather(
        self,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
        named: Sequence[Condition] = (),
        numbers: Sequence[int] | None = None,
    ) -> list[Found]:
        """Of the runs that some parts of the filter name, or of ``numbers``; else of all."""
        columns = all_columns(terms)
        sorts = [column.expression for column in columns]
        asked = [self.scope.seen, *(one.where for one in _left(conditions, named))]
        if behind is not None:
            asked.append(after(columns, behind))
        some = _named(named)
        given: dict[str, Any] = {}
        if numbers is not None:
            some = given_numbers("some", self.scope.dialect)
            given = {"some": as_numbers(numbers, self.scope.dialect)}
        if some is not None and self.scope.dialect == "postgresql":
            query = looked_up(self.scope, some.offset(0).subquery(), terms, sorts, asked)
            query = query.order_by(*as_selected(query, columns))
        else:
            query = self._among(asked, some, terms).add_columns(*sorts)
            query = query.order_by(*(column.ordered for column in columns))
        rows = self.conn.execute(query.limit(need), given)
        return [(row[0], tuple(row[1:])) for row in rows]

    def _among(
        self,
        asked: Sequence[Clause],
        some: sa.Select[Any] | None,
        terms: Sequence[Term] = (),
    ) -> sa.Select[Any]:
        """The runs that a filter leaves of ``some``, or of all."""
        query = sa.select(runs.c.number).select_from(joined(runs, terms)).where(*asked)
        if some is not None:  # within the experiments, as all arms are
            return query.where(runs.c.number.in_(some))
        if self.scope.experiments is not None:
            return query.where(self.scope.of(runs.c.experiment))
        return query

    # -- walk and scan ---------------------------------------------------------------------------

    def _in_order(
        self,
        values: Values,
        others: Callable[..., list[Found]],
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """The runs with a value by ``values``, then those with NaN or without one by ``others``."""
        lead = terms[0].lead
        assert lead is not None
        found: list[Found] = []
        segment = behind[0] if behind is not None and len(lead.segments) > 1 else 0
        if segment == 0:
            found = values(lead, walked, terms, conditions, behind, need)
        for other in lead.segments[1:]:
            if len(found) < need and segment <= other and not lead.excluded(other, conditions):
                left = need - len(found)
                inside = lead.segment(other)
                found += self._inside(others, inside, terms, conditions, behind, left)
        return found

    def _walk(
        self,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """The runs that have a value, group by group of equal ones."""
        steps = Steps(self.conn, self.scope, lead, walked, terms, conditions, behind)
        return self._groups(steps, self._spend, self._ordered, terms, conditions, behind, need)

    def _groups(
        self,
        steps: Steps,
        spend: Callable[[Part, int], None],
        search: Callable[..., list[Found]],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """What steps find; a value that many runs have is a ``search`` of its own."""
        lead = terms[0].lead
        assert lead is not None
        found: list[Found] = []
        while len(found) < need:
            part = steps.next(need)
            spend(part, need)
            found += part.found
            if part.group is not None and len(found) < need:
                inside, left = lead.inside(part.group), need - len(found)
                found += self._inside(search, inside, terms, conditions, behind, left)
            if part.done:
                break
        return found[:need]

    def _inside(
        self,
        search: Callable[..., list[Found]],
        inside: Inside,
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """The runs with one value of the first sort key, by the other keys."""
        own = inside.values
        rest = behind[len(own) :] if behind is not None and behind[: len(own)] == own else None
        found = search([*inside.terms, *terms[1:]], [*conditions, inside.condition], rest, need)
        return [(number, own + values) for number, values in found]

    def _spend(self, part: Part, need: int) -> None:
        """Count steps of a walk and the runs they found; raises when it goes too far."""
        if part.done:
            return
        self._steps += part.steps
        self._hits += part.hits
        if self._hits >= need or self._steps < min(TASTE, PATIENCE):
            return
        expected = self._steps * need // (self._hits + 2)  # few steps may find few by chance
        if max(expected, self._steps) > PATIENCE and expected > self._worth:
            raise _TooFar

    @cached_property
    def _worth(self) -> int:
        """Steps of a walk that take as long as the other ways."""
        sets = self._sets(self._conditions)
        if not sets or not sets[0].whole:
            return PATIENCE
        every = rows_by_statistics(self.conn, runs)
        passed = self._length(sets[0]) if every is None else every // DENSE
        return max(PATIENCE, min(self._length(sets[0]), passed) // 2)

    def _scan(
        self, terms: Sequence[Term], conditions: Sequence[Condition], behind: Behind, need: int
    ) -> list[Found]:
        few = SHORT * isqrt(need)
        sets = self._sets(conditions)
        named = _named(sets)
        if named is not None and not (len(sets) == 1 and sets[0].whole):
            some = sorted(self.conn.execute(named.limit(few + 1)).scalars())
            if len(some) <= few:
                return self._gather(terms, conditions, behind, need, sets, some) if some else []
        walked = self._walkable(terms[0].lead)
        if walked is None:
            return self._gather(terms, conditions, behind, need, sets)
        brief = sets and (not sets[0].whole or self._length(sets[0]) < MEDIUM)
        values = self._sift if brief else self._pass
        return self._in_order(values, self._rest, walked, terms, conditions, behind, need)

    def _sift(
        self,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """The runs that have a value: those that are named by it, then a look at the first."""
        if self.scope.dialect == "postgresql":  # which knows by itself how to do so
            return self._pass(lead, walked, terms, conditions, behind, need)
        left, among = self._split(conditions)
        steps = Steps(self.conn, self.scope, lead, walked, terms, left, behind, among)
        return self._groups(steps, _no_matter, self._rest, terms, conditions, behind, need)

    def _pass(
        self,
        lead: Lead,
        walked: Sequence[int],
        terms: Sequence[Term],
        conditions: Sequence[Condition],
        behind: Behind,
        need: int,
    ) -> list[Found]:
        """The runs that have a value, by one statement that passes the others without a look."""
        left, among = self._split(conditions)
        whole = self.scope.dialect == "sqlite" or self._dense(self._sets(conditions))
        return scanned(
            self.conn, self.scope, lead, walked, terms, left, behind, among, need, whole=whole
        )

    def _dense(self, sets: Sequence[Condition]) -> bool:
        """Whether so many runs are named that PostgreSQL is to go through the index for them.

        It knows how often a key and a value are, but not how often together, so it expects few.
        """
        if not sets or not sets[0].whole or self._length(sets[0]) <= PATIENCE:
            return False
        every = rows_by_statistics(self.conn, runs)
        return every is not None and every < DENSE * self._length(sets[0])

    def _split(
        self, conditions: Sequence[Condition]
    ) -> tuple[list[Condition], sa.Select[Any] | None]:
        """What is left to ask of the runs that are named, and these runs."""
        sets = self._sets(conditions)
        return _left(conditions, sets), _named(sets)

    def _rest(
        self, terms: Sequence[Term], conditions: Sequence[Condition], behind: Behind, need: int
    ) -> list[Found]:
        return self._gather(terms, conditions, behind, need, self._sets(conditions))

    # -- which way -------------------------------------------------------------------------------

    def _sets(self, conditions: Sequence[Condition]) -> list[Condition]:
        """The conditions whose ranges are quick to read whole, the shortest first."""
        named = [one for one in conditions if one.arms]
        if len(named) == 1 and not named[0].whole:
            return named  # how many of its range it holds for, only reading it tells
        short = self._short(conditions, COUNTED + 1) or named
        short.sort(key=self._length)
        return [one for one in short if self._length(one) <= LOOK * self._length(short[0]) + 1]

    def _short(self, conditions: Sequence[Condition], bound: int) -> list[Condition]:
        """The conditions whose ranges have fewer runs than ``bound``."""
        unknown = [
            arm
            for one in conditions
            for arm in one.arms
            if not _is_known(self._lengths.get(arm), bound)
        ]
        if unknown:
            counts = [_count(arm.range, bound) for arm in unknown]
            row = self.conn.execute(sa.select(*counts)).one()
            self._lengths |= {arm: (count, bound) for arm, count in zip(unknown, row, strict=True)}
        return [one for one in conditions if one.arms and self._length(one) < bound]

    def _length(self, one: Condition) -> int:
        return sum(self._lengths[arm][0] for arm in one.arms)

    def _looks_are_cheap(self, short: Sequence[Condition]) -> bool:
        """Whether it takes longer to look only at the first runs, which takes more statements."""
        return self.scope.dialect == "sqlite" or self._length(min(short, key=self._length)) < TINY

    def _few(self) -> bool:
        """Whether there are at most :data:`FEW` runs."""
        chosen, most = self.scope.experiments, FEW + 1
        if chosen is not None and len(chosen) == 1:
            given = {"experiment": chosen[0], "most": most}
            return int(self.conn.execute(_FEW, given).scalar_one()) < most
        query = sa.select(runs.c.number)
        if chosen is not None:
            query = query.where(self.scope.of(runs.c.experiment))
        return int(self.conn.execute(sa.select(_count(query, most))).scalar_one()) < most

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


def _no_matter(part: Part, need: int) -> None:
    """Steps that were bound to be taken."""


def union(one: Condition) -> Any:
    """The runs that a condition's arms name."""
    queries = [arm.runs for arm in one.arms]
    return queries[0] if len(queries) == 1 else sa.union(*queries)


def _named(conditions: Sequence[Condition]) -> sa.Select[Any] | None:
    """The runs that all of some conditions name, None for no condition."""
    if not conditions:
        return None
    first = union(conditions[0]).subquery()
    (run,) = first.c
    others = [run.in_(union(one)) for one in conditions[1:]]
    return sa.select(run.label("number")).where(*others)


def _left(conditions: Sequence[Condition], named: Sequence[Condition]) -> list[Condition]:
    """What is left to ask of runs that some conditions name."""
    return [one for one in conditions if not (one in named and one.exact)]


def _is_known(known: tuple[int, int] | None, bound: int) -> bool:
    """Whether a count says if there are fewer than ``bound``."""
    return known is not None and (known[0] < known[1] or bound <= known[1])


def _count(query: sa.Select[tuple[int]], bound: int) -> sa.ScalarSelect[Any]:
    some = query.limit(bound).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery()
