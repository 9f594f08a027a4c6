"""Predictions and labels that are logged elsewhere, read as they come: ``[monitor.source]``.

A look reads the files that are new or have changed, and of a database what is not older than the
newest row that was seen, less ``late``. Rows that the log has already are known by id and time and
left out, and a batch is entered in the transaction that adds it; so each counts once, wherever a
look was killed. The mark moves after that.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa

from everloop.data.addresses import OBJECTS, is_database, resolved, scheme
from everloop.data.references import Part
from everloop.data.sources.folders import of_folder
from everloop.data.streams import open_table
from everloop.durations import milliseconds
from everloop.errors import EverloopError
from everloop.loop.declaration import Declaration
from everloop.loop.feeding import ROWS, Feeder
from everloop.loop.logging import Bringing
from everloop.loop.project import Project
from everloop.monitor.feedback import Fed
from everloop.monitor.foreign import Columns, Logged, times_of
from everloop.monitor.spec import LabelSourceSpec, SourceSpec
from everloop.store.clock import now_ms

LINES = (".csv", ".tsv", ".jsonl", ".ndjson")
MILLISECONDS = 10**11  # since 1970; smaller numbers are seconds
SETTLED_S = 10.0  # after it a file whose last line has no end is complete all the same


class Seen(msgspec.Struct, frozen=True):
    """How far a file, or a database, was read.

    ``stamp`` tells a change of it; ``newest`` is the newest time seen (ms), of a column that holds
    ``text``, ``zoned`` times, ``seconds`` or ``ms``.
    """

    stamp: str = ""
    newest: int | None = None
    form: str = "text"


class Mark(msgspec.Struct, frozen=True):
    """How far a source was read, by the addresses of its parts, and when it was looked at."""

    parts: dict[str, Seen] = {}
    looked: int = 0


class Read(msgspec.Struct, frozen=True):
    """What a look at the sources brought; ``error`` is why one could not be read."""

    logged: Logged = Logged()
    fed: Fed = Fed()
    error: str | None = None


def read_sources(project: Project, declaration: Declaration, *, force: bool = False) -> Read:
    """Bring what is new; sooner than every ``every`` only with ``force``.

    Needs a champion. Never raises for a source that cannot be read: that is told.
    """
    spec = declaration.monitor.source
    if spec is None:
        return Read()
    every = 0 if force else milliseconds(spec.every, "monitor.source.every")
    logged, fed = Logged(), Fed()
    try:
        if spec.address:
            logged = _predictions(project, declaration, spec, every)
        if spec.labels is not None:
            fed = _labels(project, declaration, spec, spec.labels, every)
    except (EverloopError, OSError) as error:
        return Read(logged, fed, getattr(error, "message", str(error)))
    return Read(logged, fed)


def _predictions(
    project: Project, declaration: Declaration, spec: SourceSpec, every: int
) -> Logged:
    endpoint = declaration.endpoint
    columns = msgspec.convert(
        {name: getattr(spec, name) for name in Columns.__struct_fields__}, Columns
    )
    bringing = Bringing(project, endpoint, spec.layout, columns)
    usual = "timestamp_ms" if spec.layout == "mlflow" else bringing.schema.time or "time"
    when = columns.time or usual
    growing = _Growing(project, endpoint, "predictions", spec, spec.address, spec.query, when)
    total = Logged()
    for rows in growing.batches(every, bringing.text):
        total = total.plus(bringing.take(rows, unknown=True))
    return total


def _labels(
    project: Project,
    declaration: Declaration,
    spec: SourceSpec,
    labels: LabelSourceSpec,
    every: int,
) -> Fed:
    endpoint = declaration.endpoint
    feeder = Feeder(
        project, endpoint, id=labels.id or None, label=labels.label or None,
        time=labels.time or None,
    )  # fmt: skip
    growing = _Growing(project, endpoint, "labels", spec, labels.address, labels.query, labels.time)
    total = Fed()
    for rows in growing.batches(every, feeder.id_names):
        total = total.plus(feeder.frame(rows))
    return total


class _Growing:
    """A table of a project that gets more rows; ``when`` is its column of times, if it has one."""

    def __init__(
        self,
        project: Project,
        endpoint: str,
        name: str,
        spec: SourceSpec,
        address: str,
        query: str | None,
        when: str,
    ) -> None:
        self.project, self.endpoint, self.name = project, endpoint, name
        self.address, self.query, self.when = address, query, when
        self.late = milliseconds(spec.late, "monitor.source.late")
        self.mark = project.marks.read(endpoint, name, Mark)

    def batches(self, every: int, text: Sequence[str]) -> Iterator[pl.DataFrame]:
        """The rows that may be new; the mark moves when all of them were taken."""
        now = now_ms()
        if now - self.mark.looked < every:
            return
        seen = dict(self.mark.parts)
        source = of_folder(self.address, self.project.dir)
        table = open_table(source, self.project.dir, text, self._query(source))
        found = table.marks() if scheme(source) in OBJECTS else table.names()
        parts = [part for part in found if self._changed(part, is_database(source))]
        for place, rows in table.placed(parts, rows=ROWS) if parts else ():
            name = parts[place].address
            new, seen[name] = self._since(rows, seen.get(name, Seen()), name)
            if new.height:
                yield new
        for part in parts:
            before = seen.get(part.address, Seen())
            seen[part.address] = msgspec.structs.replace(before, stamp=_stamp(part))
        self.project.marks.write(self.endpoint, self.name, Mark(seen, now))

    def _changed(self, part: Part, database: bool) -> bool:
        if database:
            return True
        before = self.mark.parts.get(part.address)
        if before is not None and before.stamp == _stamp(part):
            return False
        return not _unfinished(self.project.dir / part.address)

    def _query(self, source: str) -> str | None:
        """The query, asked for what is not older than the newest row seen, less ``late``."""
        seen = next(iter(self.mark.parts.values()), Seen())
        if self.query is None or seen.newest is None:
            return self.query
        name, since = _quoted(self.when, source), _written(seen.newest - self.late, seen.form)
        return f"SELECT * FROM ({self.query}) AS everloop_source WHERE {name} >= {since}"

    def _since(self, rows: pl.DataFrame, seen: Seen, name: str) -> tuple[pl.DataFrame, Seen]:
        """Without the rows of a part that an earlier look has read; and how far it is read now."""
        if not self.when or self.when not in rows.columns:
            return rows, seen
        times = times_of(rows[self.when])
        last: Any = times.filter(times <= now_ms()).max()
        newest = max((t for t in (last, seen.newest) if t is not None), default=None)
        before = self.mark.parts.get(name)
        if before is not None and before.newest is not None:
            rows = rows.filter((times >= before.newest - self.late).fill_null(True))
        return rows, Seen(seen.stamp, newest, _form(rows[self.when]))


def _form(times: pl.Series) -> str:
    """How a column writes times, for a query."""
    if times.dtype.is_numeric():
        largest: Any = times.max()
        return "seconds" if largest is not None and largest < MILLISECONDS else "ms"
    zoned = isinstance(times.dtype, pl.Datetime) and times.dtype.time_zone is not None
    return "zoned" if zoned else "text"


def _written(at: int, form: str) -> str:
    """A time (ms) as SQL compares it with a column of that form."""
    if form in ("seconds", "ms"):
        return str(at // 1000 if form == "seconds" else at)
    text = datetime.fromtimestamp(at / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S")
    return f"'{text}+00'" if form == "zoned" else f"'{text}'"


def _quoted(name: str, address: str) -> str:
    if scheme(address) == "duckdb":
        return '"' + name.replace('"', '""') + '"'
    dialect = sa.make_url(resolved(address)).get_dialect()()
    return str(dialect.identifier_preparer.quote(name))


def _stamp(part: Part) -> str:
    return f"{part.bytes}-{part.stamp}"


def _unfinished(path: Path) -> bool:
    """Whether somebody is writing the last line of a file of lines."""
    if path.suffix.lower() not in LINES:
        return False
    try:
        with path.open("rb") as file:
            file.seek(-1, os.SEEK_END)
            ended = file.read(1) == b"\n"
        return not ended and time.time() - path.stat().st_mtime < SETTLED_S
    except OSError:
        return False
