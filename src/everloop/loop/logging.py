"""Predictions that were made elsewhere, brought into a loop's prediction log."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import msgspec
import polars as pl

from everloop.data.pseudonyms import PURPOSE
from everloop.errors import NotFound, invalid
from everloop.loop.feeding import Tell, batches, endpoint_of, is_address, schema_of
from everloop.loop.hiding import rows_as_logged
from everloop.loop.project import Project
from everloop.monitor.foreign import Columns, Layout, Logged, from_inference_table, log_rows
from everloop.store.clock import now_ms


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
        ``features`` those whose feature has another name; ``senders`` are columns that say who
        sent a row, by which causes of alerts are looked for.

    A table that comes again brings nothing. Raises :class:`~everloop.errors.InvalidInput` for a
    column that is not there, and :class:`~everloop.errors.NotFound` while the endpoint's loop has
    no champion, whose schema says what is a feature.
    """
    with Project.open(dir) as project:
        project.sync_file()
        return bring(
            project, source, endpoint=endpoint, layout=layout, query=query, tell=tell, **columns
        )


def bring(
    project: Project,
    source: str | Path | pl.DataFrame,
    *,
    endpoint: str | None = None,
    layout: str = "table",
    query: str | None = None,
    tell: Tell | None = None,
    **columns: Any,
) -> Logged:
    """The same in an open project."""
    if layout not in get_args(Layout):
        raise invalid("layout", layout, "one of " + ", ".join(get_args(Layout)))
    try:
        named = msgspec.convert(columns, Columns)
    except msgspec.ValidationError as error:
        raise invalid("columns", columns, f"names of columns ({error})") from None
    bringing = Bringing(project, endpoint, layout, named)
    if isinstance(source, pl.DataFrame):
        return bringing.take(source)
    here = source if is_address(str(source)) else Path.cwd() / Path(source).expanduser()
    total = Logged()
    for table in batches(str(here), project.dir, query, bringing.text):
        total = total.plus(bringing.take(table))
        if tell is not None:
            tell("rows", total.rows, None)
    return total


class Bringing:
    """Brings tables of predictions into the log of one endpoint.

    What ``[monitor.log]`` hides is hidden before it is kept; all rows are kept, whatever its
    ``sample`` says, since who brings them has chosen them.
    """

    def __init__(
        self, project: Project, endpoint: str | None, layout: str, columns: Columns
    ) -> None:
        self.project, self.layout, self.columns = project, layout, columns
        self.endpoint, declared = endpoint_of(project, endpoint)
        schema = schema_of(project, declared)
        champion = project.champion(declared.name) if declared else None
        if declared is None or schema is None or champion is None:
            raise no_champion(self.endpoint)
        self.schema, self.version = schema, champion.version
        self.text = [name for name in (columns.id, schema.id, "id") if name]
        self._log, self._id = declared.monitor.log, declared.data.id
        self._key = project.keys.derive(PURPOSE) if self._log.hidden else b""

    def take(self, table: pl.DataFrame, *, unknown: bool = False) -> Logged:
        """The rows of a table; with ``unknown`` only those that the log does not have already."""
        rows, use = table, self.columns
        if self.layout == "mlflow":
            rows, use = from_inference_table(table, self.schema, self.columns)
        part, counted = log_rows(rows, use, self.schema, self.version, now_ms())
        if self._log.hidden:
            part = rows_as_logged(part, self._log, self._id, self._key)
        if unknown and part.height:
            fresh = self.project.log.unknown(self.endpoint, part)
            counted = msgspec.structs.replace(
                counted, new=fresh.height, repeated=part.height - fresh.height
            )
            part = fresh
        if not part.height:
            return counted
        importer = self.project.importer
        entry = importer.known("predictions", self.endpoint, part)
        if entry is None or not importer.add("predictions", self.endpoint, part, entry):
            return Logged(rows=counted.rows, repeated=counted.rows)
        return counted


def no_champion(endpoint: str) -> NotFound:
    """The refusal of predictions that nothing says the features of."""
    return NotFound(
        f"endpoint {endpoint}: has no champion of a loop, whose schema says what is a feature.",
        path="endpoint", fix="Train or register one first: everloop run, everloop register.",
    )  # fmt: skip
