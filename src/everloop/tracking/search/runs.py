"""Which runs a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import sqlalchemy as sa

from everloop.errors import invalid
from everloop.store.filter.keyset import position
from everloop.store.filter.keyset import token as token_of
from everloop.store.filter.nodes import conjuncts
from everloop.store.filter.ordering import parse_order
from everloop.store.filter.parser import parse_filter
from everloop.store.paging import Found
from everloop.store.tables import experiments as experiments_table
from everloop.tracking.records import View
from everloop.tracking.search.conditions import Condition, Scope, condition
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.plan import Search
from everloop.tracking.search.terms import MERGED, Term, terms

MOST = 50_000
"""Runs of a page."""
REMEMBERED = 1000
"""Characters of a filter that is not read anew each time."""


def search_run_numbers(
    conn: sa.Connection,
    *,
    experiments: Sequence[int] | None,
    filter: str | None,
    order_by: Sequence[str] | None,
    view: View,
    limit: int,
    token: str | None,
) -> Found[int]:
    """The numbers of a page of runs; newest first where ``order_by`` doesn't decide.

    Raises :class:`~everloop.errors.InvalidInput` with the code ``bad_filter``, ``bad_order_by`` or
    ``bad_page_token``.
    """
    if not 1 <= limit <= MOST:
        raise invalid("limit", limit, f"1 to {MOST}")
    scope = scope_of(conn, experiments, view)
    filter, orders = filter or "", tuple(order_by or ())
    short = len(filter) <= REMEMBERED
    keys, parts = (_read if short else _read.__wrapped__)(filter, orders, scope)
    columns = [column for key in keys for column in key.columns]
    behind = tuple(position(columns, token)) if token else None
    if scope.experiments == ():
        return Found([], None)
    found = Search(conn, scope).run(keys, parts, behind, limit + 1)
    more = token_of(found[limit - 1][1]) if len(found) > limit else None
    return Found([number for number, _ in found[:limit]], more)


@lru_cache(maxsize=64)
def _read(filter: str, orders: tuple[str, ...], scope: Scope) -> tuple[list[Term], list[Condition]]:
    """A filter and an order in SQL; a client that asks once mostly asks again, for more pages."""
    wanted = parse_filter(filter, RUN_FIELDS)
    keys = terms(parse_order(orders, RUN_FIELDS), scope)
    return keys, [condition(part, scope) for part in conjuncts(wanted)]


def scope_of(conn: sa.Connection, experiments: Sequence[int] | None, view: View) -> Scope:
    """Where to look: in these experiments, or in all."""
    if experiments is not None:
        chosen = tuple(sorted({one for one in experiments if 0 <= one < 2**31}))
        return Scope(chosen, view, conn.dialect.name)
    query = sa.select(experiments_table.c.id).limit(MERGED + 1)
    every = tuple(conn.execute(query).scalars())
    return Scope(every if len(every) <= MERGED else None, view, conn.dialect.name)
