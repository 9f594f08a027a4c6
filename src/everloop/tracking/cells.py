"""Runs as rows of a table: only what its columns show."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.dialect import as_numbers, in_numbers
from everloop.store.tables import run_metrics, run_params, run_tags
from everloop.tracking.reading import run_rows
from everloop.tracking.records import Status
from everloop.tracking.search.keys import Keys


class Cells(msgspec.Struct, frozen=True, kw_only=True):
    """One run, with those of its metrics (the newest values), params and tags that were asked for;
    a metric may be NaN, which JSON shows as null."""

    id: str
    number: int
    experiment: str
    name: str
    user: str
    status: Status
    started: int
    finished: int | None
    deleted: int | None
    metrics: dict[str, float]
    params: dict[str, str]
    tags: dict[str, str]


_FIXED = ("id", "number", "experiment", "name", "user", "status", "started", "finished", "deleted")


def read_cells(conn: sa.Connection, numbers: Sequence[int], keys: Keys) -> list[Cells]:
    """The runs of these numbers, in this order."""
    if not numbers:
        return []
    rows = run_rows(conn, numbers)
    metrics, params, tags = (
        _values(conn, table, numbers, chosen)
        for table, chosen in (
            (run_metrics, keys.metrics), (run_params, keys.params), (run_tags, keys.tags)
        )
    )  # fmt: skip
    return [
        Cells(
            **{name: rows[number][name] for name in _FIXED},
            metrics=metrics.get(number, {}),
            params=params.get(number, {}),
            tags=tags.get(number, {}),
        )
        for number in numbers
        if number in rows
    ]


def common_keys(conn: sa.Connection, numbers: Sequence[int], metrics: int, params: int) -> Keys:
    """The keys that most of some runs have: so many metrics and params, by name."""
    return Keys(
        _common(conn, run_metrics, numbers, metrics), _common(conn, run_params, numbers, params), []
    )


def _common(conn: sa.Connection, table: sa.Table, numbers: Sequence[int], most: int) -> list[str]:
    dialect = conn.dialect.name
    runs = sa.func.count()
    query = (
        sa.select(table.c.key)
        .where(in_numbers(table.c.run, "some", dialect))
        .group_by(table.c.key)
        .order_by(runs.desc(), table.c.key)
        .limit(most)
    )
    return sorted(conn.execute(query, {"some": as_numbers(numbers, dialect)}).scalars())


def _values(
    conn: sa.Connection, table: sa.Table, numbers: Sequence[int], keys: Sequence[str]
) -> dict[int, dict[str, Any]]:
    if not keys:
        return {}
    c, dialect = table.c, conn.dialect.name
    value: sa.ColumnElement[Any] = c.value
    columns = [c.run, c.key, value, *([c.nan] if table is run_metrics else [])]
    query = sa.select(*columns).where(in_numbers(c.run, "some", dialect), c.key.in_(keys))
    found: dict[int, dict[str, Any]] = {}
    for run, key, one, *nan in conn.execute(query, {"some": as_numbers(numbers, dialect)}):
        found.setdefault(run, {})[key] = math.nan if nan and nan[0] else one
    return found
