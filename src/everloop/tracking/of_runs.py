"""Rows that belong to runs, for one run or for many, with one query."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.filter.sql import id_list


class OfRuns:
    """A query of a table whose column ``run`` holds the number of a run, ordered by it and ``by``.

    For a single run the statement is a constant, which
    :meth:`~everloop.store.database.Database.instantly` keeps compiled.
    """

    def __init__(
        self, query: sa.Select[Any], run: sa.ColumnElement[int], *by: sa.ColumnElement[Any]
    ) -> None:
        self._run = run
        self._query = query.order_by(run, *by)
        self._one = self._query.where(run == sa.bindparam("one"))

    def read(self, conn: sa.Connection, runs: Sequence[int]) -> Any:
        """The rows of these runs."""
        if len(runs) == 1:
            return conn.execute(self._one, {"one": runs[0]})
        return conn.execute(self._query.where(self._run.in_(id_list(runs))))
