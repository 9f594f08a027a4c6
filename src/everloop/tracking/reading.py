"""Whole runs from their rows: four queries, however many runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from everloop.store.tables import experiments, run_params, run_tags, runs
from everloop.tracking.of_runs import OfRuns
from everloop.tracking.points import latest_of
from everloop.tracking.records import Run

_COLUMNS = [column for column in runs.c if column.name != "experiment"]
_RUNS = OfRuns(
    sa.select(
        *_COLUMNS, experiments.c.id.label("experiment_id"), experiments.c.name.label("experiment")
    ).join_from(runs, experiments, runs.c.experiment == experiments.c.id),
    runs.c.number,
)
_NAMES = [*(column.name for column in _COLUMNS), "experiment_id", "experiment"]


def _texts_of(table: sa.Table) -> OfRuns:
    return OfRuns(sa.select(table.c.run, table.c.key, table.c.value), table.c.run, table.c.key)


_PARAMS, _TAGS = _texts_of(run_params), _texts_of(run_tags)


def read_runs(conn: sa.Connection, numbers: Sequence[int]) -> list[Run]:
    """The runs of these numbers, in this order."""
    if not numbers:
        return []
    rows = run_rows(conn, numbers)
    params, tags = params_and_tags(conn, numbers)
    metrics = latest_of(conn, numbers)
    return [
        Run(
            **rows[number],
            params=params[number],
            tags=tags[number],
            metrics=metrics[number],
        )
        for number in numbers
        if number in rows
    ]


def run_rows(conn: sa.Connection, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
    """What runs are, without what was logged to them, by the runs' numbers."""
    return {row[0]: dict(zip(_NAMES, row, strict=True)) for row in _RUNS.read(conn, numbers)}


def params_and_tags(
    conn: sa.Connection, numbers: Sequence[int]
) -> tuple[dict[int, dict[str, str]], dict[int, dict[str, str]]]:
    """Params and tags of runs, by the runs' numbers."""
    return _texts(conn, _PARAMS, numbers), _texts(conn, _TAGS, numbers)


def _texts(conn: sa.Connection, query: OfRuns, numbers: Sequence[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {number: {} for number in numbers}
    for run, key, value in query.read(conn, numbers):
        found[run][key] = value
    return found
