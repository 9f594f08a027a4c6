"""A whole table in constant memory, whatever it comes as; kept as JSON and merged."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import msgspec
import polars as pl

from everloop.data.frames import as_frame, stored
from everloop.data.streams import stream
from everloop.errors import InvalidInput, invalid
from everloop.monitor.aspects.naming import aspect_name
from everloop.monitor.profile import Profile, Sketch
from everloop.monitor.summaries.beside import Embed
from everloop.monitor.summaries.columns import ColumnState, ColumnSummary, kind_of_column
from everloop.monitor.summaries.drawing import profile_html
from everloop.monitor.summaries.numbers import FULL, Size

BATCH = 1 << 17  # rows looked at together
FORMAT = "everloop.profile/1"


class _Head(msgspec.Struct, frozen=True):
    format: str


class _State(_Head, frozen=True):
    rows: Annotated[int, msgspec.Meta(ge=0)]
    columns: dict[str, ColumnState]
    private: bool = False


class TableProfile:
    """What a table's columns hold, in one pass and constant memory, of about ``size``.

    Profiles of parts merge to what one pass over all rows finds: exactly for counts, moments and
    the values of a column that has few, within the sketches' bounds for quantiles.

    >>> import polars as pl
    >>> part = profile_table(pl.DataFrame({"age": [30, 41, None]}))
    >>> whole = part.merge(profile_table(pl.DataFrame({"age": [28, 41]})))
    >>> whole.rows, whole.columns["age"].summary.distinct
    (5, 3)
    """

    def __init__(self, embed: Embed | None = None, size: Size = FULL) -> None:
        self._embed, self._size = embed, size
        self.rows = 0
        self.columns: dict[str, ColumnSummary] = {}
        self.private = False

    def add(self, frame: pl.DataFrame) -> None:
        """Look at the next rows; a column that is not there is missing in them."""
        frame = stored(frame)
        for name in frame.columns:
            known = self.columns.get(name)
            if known is None or known.empty:
                self._begin(frame[name], known)
            self.columns[name].add(frame[name])
        for name in self.columns.keys() - set(frame.columns):
            self.columns[name].summary.missing += frame.height
        self.rows += frame.height

    def _begin(self, column: pl.Series, known: ColumnSummary | None) -> None:
        """Decide on a column's kind by the first values that are there."""
        kind = kind_of_column(column)
        if known is not None and (known.kind == kind or column.dtype == pl.Null):
            return
        made = ColumnSummary(kind, self._embed, self._size)
        made.summary.missing = self.rows
        if known is not None:
            made.types = known.types
        self.columns[column.name] = made

    def merge(self, other: TableProfile) -> TableProfile:
        """A profile of the rows of both; neither is changed."""
        whole = read_table_profile(self.to_json())
        for name, column in other.columns.items():
            known = whole.columns.get(name)
            if known is not None and not (known.empty and not column.empty):
                known.merge(column)
                continue
            whole.columns[name] = made = ColumnSummary.of(column.state())
            made.summary.missing += self.rows
            for kind, rows in (known.types if known is not None else {}).items():
                made.types[kind] = made.types.get(kind, 0) + rows
        for name in whole.columns.keys() - other.columns.keys():
            whole.columns[name].summary.missing += other.rows
        whole.rows += other.rows
        whole.private = self.private or other.private
        return whole

    def sketches(self, like: Mapping[str, Sketch] | None = None) -> Profile:
        """The same as drift tests and checks take it; categories by the levels of ``like``."""
        before = like or {}
        features = {name: c.sketch(before.get(name)) for name, c in self.columns.items()}
        aspects = {
            aspect_name(name, aspect): sketch
            for name, column in self.columns.items()
            for aspect, sketch in column.aspects(before, name).items()
        }
        return Profile(self.rows, features, aspects=aspects)

    def to_dict(self) -> dict[str, Any]:
        """The profile in plain numbers: what its sketches say, not what they are made of."""
        return {"rows": self.rows, "columns": {n: c.to_dict() for n, c in self.columns.items()}}

    def to_json(self, private: bool = False) -> bytes:
        """As it is kept: no row, but names of frequent levels and the values of a number that has
        few; ``private`` leaves these out (single quantiles of numbers stay)."""
        columns = {name: column.state(private) for name, column in self.columns.items()}
        return msgspec.json.encode(_State(FORMAT, self.rows, columns, private or self.private))

    def save(self, path: str | Path, private: bool = False) -> None:
        """Write it as JSON, to be merged or compared anywhere."""
        Path(path).write_bytes(self.to_json(private))

    def _repr_html_(self) -> str:
        return profile_html(self.rows, self.columns)


def read_table_profile(data: bytes, name: str = "profile") -> TableProfile:
    """What :meth:`TableProfile.to_json` wrote; ``name`` stands in the error.

    Raises :class:`~everloop.errors.InvalidInput` for anything else, and for another format.
    """
    made = TableProfile()
    try:
        _check_format(msgspec.json.decode(data, type=_Head).format, name)
        state = msgspec.json.decode(data, type=_State)
        made.columns = {n: ColumnSummary.of(column) for n, column in state.columns.items()}
    except (msgspec.DecodeError, RuntimeError, ValueError, IndexError) as error:
        raise invalid(
            name,
            f"<{str(error).splitlines()[0]}>",
            "a profile that everloop saved",
            code="not_a_profile",
            fix="everloop profile FILE --save F writes one.",
        ) from None
    made.rows, made.private = state.rows, state.private
    return made


def _check_format(found: str, name: str) -> None:
    """Refuse what another everloop wrote, whose numbers may mean something else."""
    if found != FORMAT:
        raise invalid(
            f"{name}: format", found, f"{FORMAT}, as of a profile that everloop saved",
            code="not_a_profile", fix="Make it anew with everloop profile FILE --save F.",
        )  # fmt: skip


def profile_table(source: Any, embed: Embed | None = None) -> TableProfile:
    """The profile of a table, read once and a batch at a time.

    Parameters
    ----------
    source : a frame of Polars (a lazy one is streamed), pandas or Arrow, a relation of DuckDB, or
        a path or pattern of CSV, Parquet, Arrow or JSON lines files, or of one profile that was
        saved.
    embed : turns a list of texts into vectors, n by d, such as ``el.embed_texts``; then sentences
        are also summarised by what they mean, by a sample of 256.

    Raises :class:`~everloop.errors.InvalidInput` for a source that cannot be read.
    """
    if isinstance(source, TableProfile):
        return source
    if isinstance(source, str | Path) and str(source).endswith(".json"):
        return _saved(Path(source))
    made = TableProfile(embed)
    for batch in _batches(source):
        made.add(batch)
    return made


def _saved(path: Path) -> TableProfile:
    try:
        return read_table_profile(path.read_bytes(), path.name)
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be read ({error.strerror}).", path=str(path)) from None


def _batches(source: Any) -> Iterator[pl.DataFrame]:
    if isinstance(source, str | Path):
        yield from stream(str(source), Path(), BATCH)
    elif isinstance(source, pl.LazyFrame):
        yield from source.collect_batches(chunk_size=BATCH, maintain_order=True)
    else:
        yield from as_frame(source).iter_slices(BATCH)
