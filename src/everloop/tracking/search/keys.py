"""Which metrics, params and tags the runs of experiments have, and which values.

Each is found by one look into an index, however many runs share it.
"""

from __future__ import annotations

from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.tables import experiments as experiments_table
from everloop.store.tables import run_metrics, run_params, run_tags
from everloop.store.tables.tracking import INDEXED
from everloop.tracking.search.conditions import Scope
from everloop.tracking.search.texts import indexed

NEWEST = 32
"""Experiments that are looked into where none is chosen."""
MOST_KEYS = 500
"""Keys of one kind."""
MOST_VALUES = 20
TABLES = {"metrics": run_metrics, "params": run_params, "tags": run_tags}


class Keys(msgspec.Struct, frozen=True):
    """The keys of runs, by name."""

    metrics: list[str]
    params: list[str]
    tags: list[str]


def keys_of(conn: sa.Connection, scope: Scope, most: int = MOST_KEYS) -> Keys:
    """The keys of the runs of some experiments, or of the newest ones; ``most`` of a kind."""
    return Keys(*(keys_in(conn, table, scope, most) for table in TABLES.values()))


def keys_in(conn: sa.Connection, table: sa.Table, scope: Scope, most: int | None) -> list[str]:
    """The keys of one table, by name; all of them for None."""
    looked_into = _experiments(scope, None if most is None else NEWEST)
    return _distinct(conn, table, table.c.key, sa.true(), looked_into, most)


def values_of(
    conn: sa.Connection, table: sa.Table, key: str, scope: Scope, start: str = ""
) -> list[str]:
    """Some values of a param or tag that begin with ``start``; those too long to be typed not."""
    column = indexed(table, scope.dialect)
    here = (table.c.key == key) & (column >= start)
    found = _distinct(conn, table, column, here, _experiments(scope, NEWEST), 2 * MOST_VALUES)
    short = [value for value in found if value.startswith(start) and len(value) < INDEXED]
    return short[:MOST_VALUES]


def _experiments(scope: Scope, most: int | None) -> sa.Select[tuple[int]]:
    e = experiments_table.c
    return sa.select(e.id).where(scope.of(e.id)).order_by(e.id.desc()).limit(most)


def _distinct(
    conn: sa.Connection,
    table: sa.Table,
    column: sa.ColumnElement[str],
    where: sa.ColumnElement[bool],
    experiments: sa.Select[tuple[int]],
    most: int | None,
) -> list[str]:
    """The values of a column that an index has behind the experiment and what ``where`` fixes."""
    each = experiments.subquery()
    own = (table.c.experiment == each.c.id) & where
    first = sa.select(sa.func.min(column)).where(own).correlate(each).scalar_subquery()
    chain = sa.select(each.c.id.label("experiment"), first.label("value")).cte(
        "chain", recursive=True
    )
    behind: Any = sa.select(sa.func.min(column)).where(
        table.c.experiment == chain.c.experiment, where, column > chain.c.value
    )
    chain = chain.union_all(
        sa.select(chain.c.experiment, behind.correlate(chain).scalar_subquery()).where(
            chain.c.value.is_not(None)
        )
    )
    some = sa.select(chain.c.value).where(chain.c.value.is_not(None))
    if most is not None:
        some = some.limit(most * 4)  # experiments mostly share their keys
    return sorted(set(conn.execute(some).scalars()))[:most]
