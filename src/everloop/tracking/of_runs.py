"""Rows that belong to runs, for one run or for many, with one query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.dialect import as_numbers, in_numbers, json_pairs


class OfRuns:
    """A query of a table whose column ``run`` holds the number of a run, ordered by it and ``by``.

    Both statements, for one run and for many, are constants that are compiled once. A search reads
    thousands of rows, so those of many runs come as the driver gives them, as plain tuples.
    """

    def __init__(
        self, query: sa.Select[Any], run: sa.ColumnElement[int], *by: sa.ColumnElement[Any]
    ) -> None:
        self._run = run
        self._query = query.order_by(run, *by)
        self._one = self._query.where(run == sa.bindparam("one"))
        self._many: dict[str, str] = {}

    def read(self, conn: sa.Connection, runs: Sequence[int]) -> Iterable[Sequence[Any]]:
        """The rows of these runs, their columns in the query's order."""
        if len(runs) == 1:
            return conn.execute(self._one, {"one": runs[0]})
        dialect = conn.dialect
        text = self._many.get(dialect.name)
        if text is None:
            query = self._query.where(in_numbers(self._run, "many", dialect.name))
            text = self._many[dialect.name] = str(query.compile(dialect=dialect))
        return _rows(conn, text, runs)


class PairsOfRuns:
    """Keys and values of runs, of each run as the text of one JSON list, in the keys' order.

    A database makes that text in less time than it takes to hand over the rows.
    """

    def __init__(self, table: sa.Table) -> None:
        self._table = table
        self._many: dict[str, str] = {}

    def read(self, conn: sa.Connection, runs: Sequence[int]) -> dict[int, str]:
        """The lists of the runs that have any, by the runs' numbers."""
        dialect = conn.dialect
        text = self._many.get(dialect.name)
        if text is None:
            query = self._query(dialect.name)
            text = self._many[dialect.name] = str(query.compile(dialect=dialect))
        pairs: Any = _rows(conn, text, runs)
        return dict(pairs)

    def _query(self, dialect: str) -> sa.Select[Any]:
        c = self._table.c
        given = sa.select(c.run, c.key, c.value).where(in_numbers(c.run, "many", dialect))
        row = given.order_by(c.run, c.key).subquery().c
        return sa.select(row.run, json_pairs(row.key, row.value, dialect)).group_by(row.run)


def _rows(conn: sa.Connection, text: str, runs: Sequence[int]) -> Sequence[Sequence[Any]]:
    many = as_numbers(runs, conn.dialect.name)
    result = conn.exec_driver_sql(text, (many,) if conn.dialect.positional else {"many": many})
    rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
    result.close()
    return rows
