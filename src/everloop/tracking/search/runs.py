"""Which runs a filter leaves, in which order."""

from __future__ import annotations

from collections.abc import Sequence

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
from everloop.tracking.search.conditions import Scope, condition
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.plan import Search
from everloop.tracking.search.terms import MERGED, terms

MOST = 50_000
"""Runs of a page."""


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
    wanted = parse_filter(filter, RUN_FIELDS)
    orders = parse_order(order_by, RUN_FIELDS)
    scope = scope_of(conn, experiments, view)
    keys = terms(orders, scope)
    columns = [column for key in keys for column in key.columns]
    behind = tuple(position(columns, token)) if token else None
    if scope.experiments == ():
        return Found([], None)
    parts = [condition(part, scope) for part in conjuncts(wanted)]
    found = Search(conn, scope).run(keys, parts, behind, limit + 1)
    more = token_of(found[limit - 1][1]) if len(found) > limit else None
    return Found([number for number, _ in found[:limit]], more)


def scope_of(conn: sa.Connection, experiments: Sequence[int] | None, view: View) -> Scope:
    """Where to look: in these experiments, or in all."""
    if experiments is not None:
        chosen = tuple(sorted({one for one in experiments if 0 <= one < 2**31}))
        return Scope(chosen, view, conn.dialect.name)
    query = sa.select(experiments_table.c.id).limit(MERGED + 1)
    every = tuple(conn.execute(query).scalars())
    return Scope(every if len(every) <= MERGED else None, view, conn.dialect.name)
