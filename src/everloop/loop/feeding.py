"""Labels and predictions that come as tables: from files, SQL, a folder that fills, or a body."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator
from pathlib import Path

import msgspec
import polars as pl

from everloop.data.addresses import is_database
from everloop.data.pseudonyms import PURPOSE, pseudonym
from everloop.data.schema import Schema
from everloop.data.sources.folders import of_folder
from everloop.data.streams import open_table
from everloop.errors import Conflict, NotFound, did_you_mean, invalid, no_column
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.monitor.feedback import Fed, Intake
from everloop.monitor.foreign import times_of

ROWS = 500_000  # of a batch; what is held beside it is the history of its ids
_schemas: dict[str, Schema] = {}  # by the digest of their package
Tell = Callable[[str, int, int | None], None]


def feedback(
    source: str | Path | pl.DataFrame,
    *,
    endpoint: str | None = None,
    id: str | None = None,
    label: str | None = None,
    time: str | None = None,
    query: str | None = None,
    dir: Path | str = ".",
    tell: Tell | None = None,
) -> Fed:
    """Give the labels of a table to the rows predicted earlier, and say what became of each.

    Parameters
    ----------
    source : a frame; or a file, a pattern or a folder of CSV, Parquet, Arrow or JSON lines, the
        same in an object store, or a database's URL with ``query``.
    endpoint : where the rows were predicted; not needed while there is one.
    id, label, time : the columns; by default the loop's id and target (or ``id`` and ``label``),
        and no time: then labels count as having come now.
    dir : the project's folder.
    tell : called with ``("rows", done, None)`` as the work goes on.

    A table that comes again brings nothing, so what was cut off is simply begun again. Raises
    :class:`~everloop.errors.InvalidInput` for a column that is not there.
    """
    with Project.open(dir) as project:
        project.sync_file()
        feeder = Feeder(project, endpoint, id=id, label=label, time=time)
        if isinstance(source, pl.DataFrame):
            return feeder.frame(source)
        here = source if is_address(str(source)) else str(Path.cwd() / Path(source).expanduser())
        return feeder.table(str(here), query, tell)


def is_address(source: str) -> bool:
    """Whether a source is no path of this machine."""
    return "://" in source


class Feeder:
    """Takes tables of labels for one endpoint of a project."""

    def __init__(
        self,
        project: Project,
        endpoint: str | None = None,
        *,
        id: str | None = None,
        label: str | None = None,
        time: str | None = None,
    ) -> None:
        self.project = project
        self.endpoint, declared = endpoint_of(project, endpoint)
        data = declared.data if declared else None
        self._id = (id, "id", [data.id if data else None, "id"])
        self._label = (label, "label", ["label", data.target if data else None])
        self.id_names = [id] if id else [guess for guess in self._id[2] if guess]
        self._time = time
        self._secret = None
        if declared and data and data.id in declared.monitor.log.hash:
            self._secret = project.keys.derive(PURPOSE)
        self._schema = schema_of(project, declared)

    def frame(self, rows: pl.DataFrame) -> Fed:
        """The labels of one frame."""
        intake = self._intake()
        self._take(intake, rows)
        return intake.finish()

    def table(self, source: str, query: str | None = None, tell: Tell | None = None) -> Fed:
        """The labels of a table of any size, a batch at a time."""
        self.project.log.ship()  # so that what was predicted just now is known
        intake = self._intake()
        for rows in batches(source, self.project.dir, query, self.id_names):
            self._take(intake, rows)
            if tell is not None:
                tell("rows", intake.fed.rows, None)
        return intake.finish()

    def watch(self, source: str, every: float) -> Iterator[tuple[str, Fed]]:
        """Each file of a folder or pattern as it comes or grows, for ever.

        A file that changes while it is read is read again the next time.
        """
        seen: dict[str, str] = {}
        while True:
            for path in _files(source, self.project.dir):
                stat = path.stat()
                mark = f"{stat.st_size}-{stat.st_mtime_ns}"
                if seen.get(str(path)) == mark:
                    continue
                try:
                    fed = self.table(str(path))
                except Conflict:
                    continue
                seen[str(path)] = mark
                yield path.name, fed
            time.sleep(every)

    def _intake(self) -> Intake:
        project = self.project
        return Intake(project.log, project.importer, self.endpoint, self._schema)

    def _take(self, intake: Intake, rows: pl.DataFrame) -> None:
        ids = column_of(rows, *self._id).cast(pl.String)
        if self._secret is not None:
            names = ids.unique().drop_nulls().to_list()
            hashed = [str(pseudonym(name, self._secret)) for name in names]
            ids = ids.replace_strict(names, hashed, default=None, return_dtype=pl.String)
        at = None
        if self._time is not None:
            at = times_of(column_of(rows, self._time, "time", []))
        intake.take(ids, column_of(rows, *self._label), at)


def endpoint_of(project: Project, name: str | None) -> tuple[str, Declaration | None]:
    """The endpoint's name, and the loop that serves it if one does; by default the only one."""
    declared = [project.cycles.declaration(loop) for loop in project.cycles.loop_names()]
    found = {one.endpoint: one for one in declared}
    others = [one.name for one in project.endpoints.all()]
    known = sorted({*found, *others})
    if name is None:
        if len(known) != 1:
            raise NotFound(
                f"endpoint: got no name, and the project has {', '.join(known) or 'none'}.",
                path="endpoint", fix="Name one with --endpoint.",
            )  # fmt: skip
        name = known[0]
    if name not in known:
        raise invalid(
            "endpoint", name, f"one of {', '.join(known)}" if known else "an endpoint",
            code="unknown_name", fix=did_you_mean(name, known),
        )  # fmt: skip
    return name, found.get(name)


def schema_of(project: Project, declared: Declaration | None) -> Schema | None:
    """The schema of the loop's champion, if there is one.

    Of a model that was made elsewhere id and time are those that the loop names.
    """
    champion = project.champion(declared.name) if declared else None
    if declared is None or champion is None:
        return None
    digest = champion.package_digest()
    schema = _schemas.get(digest)
    if schema is None:  # reading a package compares every byte of it
        schema = _schemas[digest] = project.package(champion)[1].schema
    id, time = schema.id or declared.data.id, schema.time or declared.data.time
    return msgspec.structs.replace(schema, id=id, time=time)


def batches(
    source: str, base: Path, query: str | None = None, text: Collection[str] = ()
) -> Iterator[pl.DataFrame]:
    """The rows of a table of any kind; of a folder those of all its files.

    The columns ``text`` stay as they are written: ids are no numbers.
    """
    table = open_table(of_folder(source, base), base, text, query)
    return table.batches(table.names(), rows=ROWS)


def column_of(
    rows: pl.DataFrame, name: str | None, option: str, guesses: list[str | None]
) -> pl.Series:
    """The column called ``name``, or else the first of the guesses that is there."""
    wanted = [name] if name is not None else [guess for guess in guesses if guess]
    for one in wanted:
        if one in rows.columns:
            return rows[one]
    if not rows.columns:
        raise invalid(option, wanted[0], "a table of rows", code="unknown_column")
    raise no_column(option, wanted[0], rows.columns)


def _files(source: str, base: Path) -> list[Path]:
    """What a folder or pattern holds now; nothing yet is no mistake."""
    if is_database(source) or is_address(source):
        raise invalid("source", source, "a folder or a pattern of this machine, with --watch")
    place = base / source
    if place.is_dir():
        return sorted(p for p in place.rglob("*") if p.is_file() and not p.name.startswith("."))
    return sorted(p for p in place.parent.glob(place.name) if p.is_file())
