"""Predictions that were made elsewhere, brought into a loop's prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import polars as pl

from everloop.errors import NotFound, invalid
from everloop.loop.feeding import Tell, batches, endpoint_of, is_address, schema_of
from everloop.loop.project import Project
from everloop.monitor.foreign import Columns, Layout, Logged, from_inference_table, log_rows
from everloop.store.clock import now_ms

PROBABLE = ("binary", "multiclass")  # tasks whose windows are compared by probabilities


def log_predictions(
    source: str | Path | pl.DataFrame,
    *,
    endpoint: str | None = None,
    layout: Layout = "table",
    query: str | None = None,
    dir: Path | str = ".",
    tell: Tell | None = None,
    **columns: Any,
) -> Logged:
    """Bring a table of predictions that everloop did not serve into the log, to be monitored.

    Parameters
    ----------
    source : as :func:`everloop.feedback` takes it.
    endpoint : whose log; not needed while there is one.
    layout : "table", or "mlflow" for an inference table with requests and responses as JSON.
    columns : ``id``, ``time``, ``prediction``, ``probability`` and ``version`` name columns, and
        ``features`` those whose feature has another name.

    A table that comes again brings nothing. Raises :class:`~everloop.errors.InvalidInput` for a
    column that is not there, and :class:`~everloop.errors.NotFound` while the endpoint's loop has
    no champion, whose schema says what is a feature.
    """
    if layout not in get_args(Layout):
        raise invalid("layout", layout, "one of " + ", ".join(get_args(Layout)))
    try:
        named = msgspec.convert(columns, Columns)
    except msgspec.ValidationError as error:
        raise invalid("columns", columns, f"names of columns ({error})") from None
    with Project.open(dir) as project:
        project.sync_file()
        if isinstance(source, pl.DataFrame):
            return logged(project, endpoint, [source], layout, named)
        here = source if is_address(str(source)) else Path.cwd() / Path(source).expanduser()
        text = [name for name in (named.id, "id") if name]
        tables = batches(str(here), project.dir, query, text)
        return logged(project, endpoint, tables, layout, named, tell)


def logged(
    project: Project,
    endpoint: str | None,
    tables: Any,
    layout: Layout,
    columns: Columns,
    tell: Tell | None = None,
) -> Logged:
    """The same in an open project, one table after the other."""
    name, declared = endpoint_of(project, endpoint)
    schema = schema_of(project, declared)
    if declared is None or schema is None:
        raise no_champion(name)
    champion = project.champion(declared.name)
    version = champion.version if champion is not None else 0
    total = Logged()
    for table in tables:
        rows, use = from_inference_table(table, schema) if layout == "mlflow" else (table, columns)
        part, counted = log_rows(rows, use, schema, version, now_ms())
        if part.height and schema.task in PROBABLE and part["p"].null_count() == part.height:
            raise invalid(
                "probability", None, "a column: the champion's answers are judged by it",
                fix="Name the probability of the last class, or a list with that of every class.",
            )  # fmt: skip
        entry = project.importer.known("predictions", name, part)
        if entry is None or not project.importer.add("predictions", name, part, entry):
            counted = Logged(rows=counted.rows, repeated=counted.rows)
        total = total.plus(counted)
        if tell is not None:
            tell("rows", total.rows, None)
    return total


def no_champion(endpoint: str) -> NotFound:
    """The refusal of predictions that nothing says the features of."""
    return NotFound(
        f"endpoint {endpoint}: has no champion of a loop, whose schema says what is a feature.",
        path="endpoint", fix="Train or register one first: everloop run, everloop register.",
    )  # fmt: skip
