"""Whole runs from their rows: four queries, however many runs."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa

from everloop.store.tables import experiments, run_params, run_tags, runs
from everloop.tracking.points import latest_of
from everloop.tracking.records import Run

_COLUMNS = [column for column in runs.c if column.name != "experiment"]


def read_runs(conn: sa.Connection, numbers: Sequence[int]) -> list[Run]:
    """The runs of these numbers, in this order."""
    if not numbers:
        return []
    query = (
        sa.select(
            *_COLUMNS,
            experiments.c.id.label("experiment_id"),
            experiments.c.name.label("experiment"),
        )
        .join_from(runs, experiments, runs.c.experiment == experiments.c.id)
        .where(runs.c.number.in_(numbers))
    )
    rows = {row.number: row for row in conn.execute(query)}
    params, tags = _texts(conn, run_params, numbers), _texts(conn, run_tags, numbers)
    metrics = latest_of(conn, numbers)
    return [
        Run(
            **rows[number]._mapping,
            params=params[number],
            tags=tags[number],
            metrics=metrics[number],
        )
        for number in numbers
        if number in rows
    ]


def _texts(
    conn: sa.Connection, table: sa.Table, numbers: Sequence[int]
) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    t = table.c
    query = sa.select(t.run, t.key, t.value).where(t.run.in_(numbers)).order_by(t.run, t.key)
    for run, key, value in conn.execute(query):
        found[run][key] = value
    return found
