"""All runs that a filter leaves, as a table: Polars frames, an Arrow stream, a Parquet file.

A table has the columns of :data:`FIXED` and one for each param, tag and metric that any of its runs
has: ``params.NAME``, ``tags.NAME``, ``metrics.NAME`` (the newest value). It is read in parts, each
in a transaction of its own, so neither memory nor the database is held for long. Which runs and
columns there are is settled at the beginning; values are those of when a part is read.
"""

from __future__ import annotations

import io
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import sqlalchemy as sa
from polars.io.plugins import register_io_source

from everloop.errors import TooLarge
from everloop.store.database import Database
from everloop.store.filter.nodes import conjuncts
from everloop.store.filter.parser import parse_filter
from everloop.store.filter.sql import id_list
from everloop.store.tables import experiments as experiments_table
from everloop.store.tables import run_metrics, run_params, run_tags, runs
from everloop.tracking.records import View
from everloop.tracking.search.conditions import condition
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.keys import keys_in
from everloop.tracking.search.plan import Search
from everloop.tracking.search.runs import scope_of

_WHEN = pl.Datetime("ms", "UTC")

FIXED: dict[str, pl.DataType] = {
    "run_id": pl.String(),
    "experiment_id": pl.Int64(),
    "experiment": pl.String(),
    "name": pl.String(),
    "user": pl.String(),
    "status": pl.String(),
    "started": _WHEN,
    "finished": _WHEN,
}
"""The columns that every table of runs begins with."""

CELLS = 50_000
"""Values of one part."""
MOST_ROWS = 2000
"""Rows of one part."""
MOST_COLUMNS = 20_000
"""Columns of a table."""
_AT_ONCE = 5000  # runs whose keys are looked for in one query
_TABLES = {"params": run_params, "tags": run_tags, "metrics": run_metrics}


@dataclass(frozen=True)
class _Plan:
    """The runs of a table and its columns."""

    numbers: list[int]
    schema: dict[str, pl.DataType]

    @property
    def rows(self) -> int:
        return max(1, min(MOST_ROWS, CELLS // len(self.schema)))


def run_frames(
    db: Database,
    experiments: Sequence[int] | None = None,
    filter: str = "",
    view: View = "active",
) -> Iterator[pl.DataFrame]:
    """The runs in the order in which they were made; at least one frame, all of one schema.

    Raises
    ------
    InvalidInput : for a bad filter, code ``bad_filter``.
    TooLarge : when there would be more than 20,000 columns.
    """
    plan = _plan(db, experiments, filter, view)
    return _frames(db, plan)


def arrow_stream(
    db: Database,
    experiments: Sequence[int] | None = None,
    filter: str = "",
    view: View = "active",
) -> Iterator[bytes]:
    """The same as one Arrow IPC stream, in pieces; raises as :func:`run_frames`, at once."""
    return _stream(run_frames(db, experiments, filter, view))


def write_parquet(
    db: Database,
    path: Path,
    experiments: Sequence[int] | None = None,
    filter: str = "",
    view: View = "active",
) -> None:
    """The same as a Parquet file, written part by part."""
    plan = _plan(db, experiments, filter, view)

    def parts(
        columns: list[str] | None, predicate: pl.Expr | None, rows: int | None, _size: int | None
    ) -> Iterator[pl.DataFrame]:
        for frame in _frames(db, plan):
            chosen = frame if columns is None else frame.select(columns)
            yield chosen if predicate is None else chosen.filter(predicate)

    register_io_source(parts, schema=pl.Schema(plan.schema)).sink_parquet(path)


# -- which runs, which columns ---------------------------------------------------------------------


def _plan(db: Database, experiments: Sequence[int] | None, filter: str, view: View) -> _Plan:
    wanted = parse_filter(filter, RUN_FIELDS)
    with db.read() as conn:
        scope = scope_of(conn, experiments, view)
        parts = [condition(part, scope) for part in conjuncts(wanted)]
        numbers = Search(conn, scope).numbers(parts) if scope.experiments != () else []
        schema = dict(FIXED)
        for group, table in _TABLES.items():
            kind = pl.Float64() if group == "metrics" else pl.String()
            keys = _keys_of(conn, table, numbers) if wanted else keys_in(conn, table, scope, None)
            schema |= {f"{group}.{key}": kind for key in sorted(keys)}
            if len(schema) > MOST_COLUMNS:
                raise TooLarge(
                    f"The runs have more than {MOST_COLUMNS} different params, tags and metrics, "
                    "too many for columns of a table; choose fewer runs.",
                    path="filter",
                )
    return _Plan(numbers, schema)


def _keys_of(conn: sa.Connection, table: sa.Table, numbers: Sequence[int]) -> set[str]:
    found: set[str] = set()
    for start in range(0, len(numbers), _AT_ONCE):
        here = table.c.run.in_(id_list(numbers[start : start + _AT_ONCE]))
        found.update(conn.execute(sa.select(table.c.key).where(here).distinct()).scalars())
    return found


# -- reading ---------------------------------------------------------------------------------------


def _frames(db: Database, plan: _Plan) -> Iterator[pl.DataFrame]:
    for start in range(0, max(1, len(plan.numbers)), plan.rows):
        with db.read() as conn:
            yield _frame(conn, plan, plan.numbers[start : start + plan.rows])


def _frame(conn: sa.Connection, plan: _Plan, numbers: Sequence[int]) -> pl.DataFrame:
    query = (
        sa.select(
            runs.c.number, runs.c.id, runs.c.experiment, experiments_table.c.name,
            runs.c.name, runs.c.user, runs.c.status, runs.c.started, runs.c.finished,
        )
        .join_from(runs, experiments_table, runs.c.experiment == experiments_table.c.id)
        .where(runs.c.number.in_(id_list(numbers)))
        .order_by(runs.c.number)
    )  # fmt: skip
    rows = conn.execute(query).all()
    at = {row[0]: index for index, row in enumerate(rows)}
    columns: dict[str, list[Any]] = {
        name: [row[index] for row in rows] for index, name in enumerate(FIXED, 1)
    }
    for group, table in _TABLES.items():
        for run, key, value in _values(conn, table, numbers):
            name = f"{group}.{key}"
            column = columns.get(name)
            if column is None:
                column = columns[name] = [None] * len(rows)
            if run in at:
                column[at[run]] = value
    made = [
        pl.Series(name, columns.get(name, [None] * len(rows)), dtype=kind)
        if kind != _WHEN
        else pl.Series(name, columns[name], dtype=pl.Int64).cast(kind)
        for name, kind in plan.schema.items()
    ]
    return pl.DataFrame(made)


def _values(
    conn: sa.Connection, table: sa.Table, numbers: Sequence[int]
) -> Iterator[tuple[int, str, Any]]:
    c = table.c
    query = sa.select(c.run, c.key, c.value).where(c.run.in_(id_list(numbers)))
    if table is run_metrics:
        for run, key, value, nan in conn.execute(query.add_columns(c.nan)):
            yield run, key, math.nan if nan else value
    else:
        for run, key, value in conn.execute(query):
            yield run, key, value


# -- one stream of many frames ---------------------------------------------------------------------

_END = b"\xff\xff\xff\xff\0\0\0\0"


def _stream(frames: Iterator[pl.DataFrame]) -> Iterator[bytes]:
    """Arrow's stream is a schema, batches and an end; each frame alone is written as all three."""
    first = True
    for frame in frames:
        file = io.BytesIO()
        frame.write_ipc_stream(file, compat_level=pl.CompatLevel.oldest())
        data = file.getvalue()
        start = 0 if first else 8 + int.from_bytes(data[4:8], "little")
        yield data[start : -len(_END)]
        first = False
    yield _END
