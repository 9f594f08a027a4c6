"""Which rows of the log are read, with which columns, and how its parts become one frame.

A part is narrowed to what was asked for before the next one is opened, and parts are put side by
side without a copy: what reading holds is little more than what it returns.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import polars as pl

from everloop.data.columns import as_kind, as_text
from everloop.data.merge import by_time
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.monitor.parts import FEATURE, MILLIS

RECENT = ("id", "time", "at", "version", "arm", "y", "p", "latency", "error", "marks")
META = ("id", "time", "version", "arm", "y", "p", "latency", "error")


@dataclass(frozen=True)
class Selection:
    """Answered rows of the log.

    Attributes
    ----------
    start, end : bounds of the event time, ``[start, end)`` in ms.
    shadow : whether rows of shadow versions count.
    exclude : windows, ``[start, end)`` in ms, that are left out.
    meta : the columns beside the features.
    schema : exactly its features, each of its kind's type, and the columns beside them as they
        were sent; without one, whatever was sent.
    hidden : features that the log does not tell, which count as missing.
    """

    start: int | None = None
    end: int | None = None
    shadow: bool = False
    exclude: Sequence[tuple[int, int]] = ()
    meta: tuple[str, ...] = META
    schema: Schema | None = None
    hidden: frozenset[str] = frozenset()

    def read(self, part: bytes, features: bool = True) -> pl.DataFrame:
        """The rows of one part; features under their prefixed names, when they are wanted."""
        rows = pl.scan_parquet(io.BytesIO(part)).filter(self._wanted())
        if not features:
            return rows.select(self.meta).collect()
        sent = [n for n in rows.collect_schema().names() if n.startswith(FEATURE)]
        if self.schema is None:
            return rows.select(*self.meta, *sent).collect()
        names = (*self.schema.names, *self.schema.beside)
        wanted = {FEATURE + name for name in names if name not in self.hidden}
        found = rows.select(*self.meta, *(n for n in sent if n in wanted)).collect()
        columns = [_typed(found, f) for f in self.schema.features]
        columns += [_as_sent(found, FEATURE + name) for name in self.schema.beside]
        return found.select(self.meta).hstack(columns)

    def _wanted(self) -> pl.Expr:
        wanted = pl.col("error").is_null()
        if self.start is not None:
            wanted &= pl.col("time") >= self.start
        if self.end is not None:
            wanted &= pl.col("time") < self.end
        if not self.shadow:
            wanted &= pl.col("arm") != "shadow"
        for low, high in self.exclude:
            wanted &= ~pl.col("time").is_between(low, high, closed="left")
        return wanted


def newest_rows(part: bytes, before: tuple[int, str] | None, limit: int) -> pl.DataFrame:
    """The newest rows of one part, whatever became of them, with all that was sent.

    ``before`` is the time and the id of a row; only what lies before it counts. Only the rows
    that are wanted are read in full.
    """
    rows = pl.scan_parquet(io.BytesIO(part)).with_row_index("row")
    keys = rows.select("row", "time", "id")
    if before is not None:
        time, id = before
        same = (pl.col("time") == time) & (pl.col("id") < id)
        keys = keys.filter((pl.col("time") < time) | same)
    order = ["time", "id"]
    chosen = keys.collect().sort(order, descending=True).head(limit)["row"]
    there = rows.collect_schema().names()  # a part of an earlier version lacks some
    shown = [name for name in there if name in RECENT or name.startswith(FEATURE)]
    wanted = rows.filter(pl.col("row").is_in(chosen.implode()))
    return wanted.select(shown).collect().sort(order, descending=True)


def last_of_each(keys: pl.DataFrame) -> pl.Series:
    """Which rows of ``id`` and ``time`` are the last, by time, of their id."""
    rows = by_time(keys.with_row_index("row"), "time")
    last = rows.filter(rows["id"].is_last_distinct())["row"]
    return pl.repeat(False, keys.height, eager=True).scatter(last, True)


def once_each(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The parts without ``request``, and without rows that another with the same one repeats.

    A row is known by its request, its id and whether a shadow answered it; what is held of it
    meanwhile is eight bytes.
    """
    row = pl.struct("request", "id", pl.col("arm") == "shadow")
    keys = pl.concat([part.select(key=row.hash()) for part in parts])["key"]
    kept = [part.drop("request") for part in parts]
    first = keys.is_first_distinct()
    if first.all():
        return kept
    start, found = 0, []
    for part in kept:
        found.append(part.filter(first[start : start + part.height]))
        start += part.height
    return [part for part in found if part.height]


def in_order(parts: list[pl.DataFrame]) -> list[pl.DataFrame]:
    """The same rows by time: the parts as they are when they follow each other, else one."""
    times = pl.concat([part["time"] for part in parts])
    if not times.is_sorted():
        parts = [together(parts).sort("time", maintain_order=True)]
    return [part.with_columns(pl.col("time").cast(MILLIS)) for part in parts]


def together(parts: list[pl.DataFrame]) -> pl.DataFrame:
    """One frame; where the types of a column clash it becomes text, where it lacks it is null."""
    return pl.concat(_alike(parts), how="diagonal_relaxed")


def features_of(frame: pl.DataFrame, schema: Schema) -> list[pl.Series]:
    """The schema's features in rows that were read with it, and the columns beside them, under
    their prefixed names."""
    columns = [frame[FEATURE + name] for name in schema.names]
    kinds = [feature.kind for feature in schema.features]
    # Whether whole numbers are written without a point takes all rows to know.
    features = [
        as_text(column) if kind == "category" else column
        for column, kind in zip(columns, kinds, strict=True)
    ]
    return [*features, *(frame[FEATURE + name] for name in schema.beside)]


def _as_sent(frame: pl.DataFrame, name: str) -> pl.Series:
    """A column of one part; null where it was not sent."""
    if name in frame.columns:
        return frame[name]
    return pl.Series(name, [None] * frame.height, dtype=pl.Null)


def _typed(frame: pl.DataFrame, feature: Feature) -> pl.Series:
    """A feature of one part as its kind's type, a category of floats as it is.

    A feature that was not sent is missing; a value of another kind, which no request can bring
    while its version serves, counts as missing too.
    """
    name = FEATURE + feature.name
    column = frame[name] if name in frame.columns else pl.repeat(None, frame.height, eager=True)
    if feature.kind == "category" and column.dtype.is_float():
        return column
    try:
        typed = as_kind(column, feature.kind)
    except InvalidInput:
        none = pl.Series(name, [None] * frame.height, dtype=pl.Null)
        text = column.cast(pl.String, strict=False)
        number = text.cast(pl.Float64, strict=False)
        number = number.set(number.is_infinite(), None)
        typed = as_kind(number if feature.kind == "number" else none, feature.kind)
    return typed.alias(name)


def _alike(frames: list[pl.DataFrame]) -> Iterator[pl.DataFrame]:
    """Frames whose columns can be stacked: where types clash the column becomes text."""
    kinds: dict[str, set[str]] = {}
    for frame in frames:
        for name, dtype in frame.schema.items():
            if dtype != pl.Null:
                group = "number" if dtype.is_numeric() else str(dtype)
                kinds.setdefault(name, set()).add(group)
    clash = [name for name, groups in kinds.items() if len(groups) > 1]
    for frame in frames:
        yield frame.with_columns(pl.col(n).cast(pl.String) for n in clash if n in frame.columns)
