"""Rows that belong to runs, for one run or for many, with one query."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.dialect import as_numbers, in_numbers


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
        many = as_numbers(runs, dialect.name)
        result = conn.exec_driver_sql(text, (many,) if dialect.positional else {"many": many})
        rows: Sequence[Sequence[Any]] = result.cursor.fetchall()
        result.close()
        return rows
