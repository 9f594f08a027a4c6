"""Deleting rows together with those of every table that refers to them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.tables import metadata, metric_points, run_datasets, run_inputs, runs

ROWS = 20_000
"""Rows deleted in one transaction, about."""

_POINT = tuple(metric_points.primary_key.columns)


def children(table: sa.Table) -> list[sa.Column[Any]]:
    """The columns of all tables that refer to the table."""
    return [
        column
        for other in metadata.sorted_tables
        for column in other.c
        if any(key.column.table is table for key in column.foreign_keys)
    ]


def delete_rows(conn: sa.Connection, key: sa.Column[Any], values: Sequence[Any]) -> int:
    """Delete rows by their key, and first those that refer to them; returns how many."""
    count = 0
    for column in (*children(key.table), key):
        count += conn.execute(sa.delete(column.table).where(column.in_(values))).rowcount
    return count


def delete_points(db: Database, run: int) -> int:
    """Delete a run's points, in steps; returns how many."""
    count = 0
    mine = metric_points.c.run == run
    edge = sa.select(*_POINT).where(mine).order_by(*_POINT).offset(ROWS).limit(1)
    while True:
        with db.write() as conn:
            found = conn.execute(edge).first()
            delete = sa.delete(metric_points).where(mine)
            if found is not None:
                delete = delete.where(sa.tuple_(*_POINT) < sa.tuple_(*map(sa.literal, found)))
            count += conn.execute(delete).rowcount
        if found is None:
            return count


def delete_runs(db: Database, numbers: Sequence[int]) -> int:
    """Delete runs and all that was logged to them; returns how many rows that were.

    A dataset that only they used goes with them.
    """
    count = sum(delete_points(db, number) for number in numbers)
    with db.write() as conn:
        used = sa.select(run_inputs.c.dataset).where(run_inputs.c.run.in_(numbers)).distinct()
        datasets = list(conn.execute(used).scalars())
        count += delete_rows(conn, runs.c.number, numbers)
        unused = ~sa.exists().where(run_inputs.c.dataset == run_datasets.c.id)
        delete = sa.delete(run_datasets).where(run_datasets.c.id.in_(datasets), unused)
        return count + conn.execute(delete).rowcount
