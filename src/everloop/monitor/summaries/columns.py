"""One column of a table: of which kind its values are, and the summary that takes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

import msgspec
import numpy as np
import polars as pl
from msgspec.structs import replace

from everloop.data.columns import is_text, parse_iso
from everloop.data.unstructured import is_image
from everloop.errors import InvalidInput
from everloop.monitor.aspects.naming import aspect_name
from everloop.monitor.encoding import spelled
from everloop.monitor.profile import Floats, NumberSketch, Sketch
from everloop.monitor.summaries.beside import Beside, Embed, PartState, part_of
from everloop.monitor.summaries.levels import LevelState, LevelSummary
from everloop.monitor.summaries.numbers import FULL, NumberState, NumberSummary, Size

ColumnKind = Literal["number", "category", "text", "boolean", "datetime", "list", "bytes", "image"]
_MEASURED = {"datetime": "hour", "list": "mean", "bytes": "bytes", "image": "brightness"}


class ColumnState(msgspec.Struct, frozen=True):
    """A :class:`ColumnSummary` as it is kept; ``types`` are rows by the type they came in."""

    kind: ColumnKind
    types: dict[str, int]
    mistyped: int
    summary: NumberState | LevelState
    first: str | None = None
    last: str | None = None
    beside: dict[str, PartState] = {}


class ColumnSummary:
    """A column whose kind is that of its first values; others count as mistyped and missing.

    Numbers, and what is measured of dates (the hour, of days without one the weekday), lists (the
    mean of their numbers), images (their brightness) and bytes (how many), are summarised as
    numbers; text and booleans by their values, records and maps by their text. ``beside`` are the
    aspects of sentences, images and lists; ``embed`` turns sentences into vectors, of which only a
    sample is ever made.
    """

    def __init__(self, kind: ColumnKind, embed: Embed | None = None, size: Size = FULL) -> None:
        self.kind = kind
        self.beside = Beside(embed, size)
        self.types: dict[str, int] = {}
        self.mistyped = 0
        named = kind in ("category", "boolean")
        self.summary: NumberSummary | LevelSummary = (
            LevelSummary(size) if named else NumberSummary(size)
        )
        self.first: str | None = None
        self.last: str | None = None

    @property
    def empty(self) -> bool:
        """Whether no value was there yet, which leaves the kind open."""
        return self.summary.rows <= self.summary.missing

    @property
    def measured(self) -> str | None:
        """What of a value the numbers tell, where it is not the value itself."""
        if self.kind == "datetime" and set(self.types) - {"Null"} == {"Date"}:
            return "weekday"  # a day has no hour
        return _MEASURED.get(self.kind)

    @property
    def shown_kind(self) -> ColumnKind:
        """``text`` for sentences."""
        prose = isinstance(self.summary, LevelSummary) and self.summary.prose
        return "text" if prose else self.kind

    def add(self, column: pl.Series) -> None:
        """Look at the next values."""
        kind = str(column.dtype)
        self.types[kind] = self.types.get(kind, 0) + len(column)
        if isinstance(self.summary, LevelSummary):
            self._add_levels(column, self.summary)
            return
        values = self._numbers(column)
        self.summary.add(values)
        if self.kind == "list" and kind_of_column(column) == "list":
            self.beside.add_lists(column)
        if column.dtype != pl.Null and kind_of_column(column) != self.kind:
            given = column.is_not_null().to_numpy()
            self.mistyped += int((given & np.isnan(values)).sum())
        if self.kind == "datetime" and column.dtype.is_temporal():
            self._span(str(column.min()), str(column.max()))

    def _add_levels(self, column: pl.Series, summary: LevelSummary) -> None:
        if self.kind == "boolean" and column.dtype.is_numeric():
            column = column != 0
        if column.dtype in (pl.List, pl.Array, pl.Binary):
            self.mistyped += len(column) - column.null_count()
            column = pl.repeat(None, len(column), dtype=pl.String, eager=True)
        text = spelled(column).cast(pl.String)
        if self.kind == "category" and column.dtype.is_numeric():
            self.mistyped += len(column) - column.null_count()
        summary.add(text.str.to_lowercase() if self.kind == "boolean" else text)
        if summary.prose:
            self.beside.add_texts(text)

    def _numbers(self, column: pl.Series) -> Floats:
        if self.kind == "image" and column.dtype == pl.Binary:
            return self.beside.add_images(column)
        if kind_of_column(column) == self.kind or self.kind == "number":
            column = measure(column, self.kind)
        else:
            column = pl.repeat(None, len(column), dtype=pl.Float64, eager=True)
        return column.cast(pl.Float64, strict=False).to_numpy()

    def _span(self, first: str, last: str) -> None:
        if "None" not in (first, last):
            self.first = first if self.first is None else min(self.first, first)
            self.last = last if self.last is None else max(self.last, last)

    def merge(self, other: ColumnSummary) -> None:
        """Take in what ``other`` saw; of another kind it counts as mistyped."""
        for name, rows in other.types.items():
            self.types[name] = self.types.get(name, 0) + rows
        self.mistyped += other.mistyped
        self.beside.merge(other.beside)
        mine, theirs = self.summary, other.summary
        if isinstance(mine, NumberSummary) and isinstance(theirs, NumberSummary):
            if other.kind == self.kind:
                mine.merge(theirs)
                self._span(str(other.first), str(other.last))
                return
        elif isinstance(mine, LevelSummary) and isinstance(theirs, LevelSummary):
            mine.merge(theirs)
            return
        self.mistyped += theirs.rows - theirs.missing
        mine.missing += theirs.rows

    def sketch(self, like: Sketch | None = None) -> Sketch:
        """As drift tests take it: sentences by their length, categories by the levels of
        ``like``."""
        if isinstance(self.summary, NumberSummary):
            return _as(self.summary.sketch(), "brightness" if self.kind == "image" else "")
        if self.summary.prose:
            return _as(self.summary.lengths.sketch(), "length")
        levels = getattr(like, "levels", None)
        return self.summary.sketch(("false", "true") if self.kind == "boolean" else levels)

    def aspects(self, like: Mapping[str, Sketch], name: str) -> dict[str, Sketch]:
        """The aspects of the column called ``name``, words by those of ``like``."""
        mine = {a: like[n] for a in self.beside.parts if (n := aspect_name(name, a)) in like}
        return self.beside.sketches(mine)

    def to_dict(self) -> dict[str, Any]:
        """What is known of the column, in plain numbers."""
        return {
            "kind": self.shown_kind,
            "measured": self.measured,
            "types": self.types,
            "mistyped": self.mistyped,
            "missing": self.summary.missing,
            "distinct": self.summary.distinct,
            "numeric": getattr(self.summary, "numeric", None),
            "first": self.first,
            "last": self.last,
            "sketch": msgspec.to_builtins(self.sketch()),
            "aspects": {n: msgspec.to_builtins(s) for n, s in self.beside.sketches({}).items()},
        }

    def state(self, private: bool = False) -> ColumnState:
        """As it is kept."""
        kept = self.summary.state(private)
        parts = {name: part.state(private) for name, part in self.beside.parts.items()}
        return ColumnState(self.kind, self.types, self.mistyped, kept, self.first, self.last, parts)

    @classmethod
    def of(cls, state: ColumnState) -> ColumnSummary:
        """What :meth:`state` told."""
        made = cls(state.kind)
        made.types, made.mistyped = dict(state.types), state.mistyped
        made.first, made.last = state.first, state.last
        made.beside.parts = {name: part_of(part) for name, part in state.beside.items()}
        kept = state.summary
        made.summary = (
            NumberSummary.of(kept) if isinstance(kept, NumberState) else LevelSummary.of(kept)
        )
        return made


def kind_of_column(column: pl.Series) -> ColumnKind:
    """The kind that the type of a column tells."""
    dtype = column.dtype
    if dtype == pl.Boolean:
        return "boolean"
    if dtype.is_numeric() or dtype == pl.Duration:
        return "number"
    if is_text(column):
        return "datetime" if _is_date(column) else "category"
    if dtype.is_temporal():
        return "datetime"
    if dtype == pl.Binary:
        return "image" if _is_image(column) else "bytes"
    return "list" if dtype in (pl.List, pl.Array) else "category"


def _as(sketch: NumberSketch, aspect: str) -> NumberSketch:
    return replace(sketch, of=aspect) if aspect else sketch


def _is_image(column: pl.Series) -> bool:
    try:
        return is_image(column)
    except InvalidInput:  # nothing is here that reads images
        return False


def _is_date(column: pl.Series) -> bool:
    first = column.drop_nulls().head(1)
    return not first.is_empty() and parse_iso(first.cast(pl.String)).null_count() == 0


def measure(column: pl.Series, kind: ColumnKind) -> pl.Series:
    """What the numbers of a column of ``kind`` are, see :class:`ColumnSummary`; of a duration its
    seconds."""
    if column.dtype == pl.Duration:
        return column.dt.total_microseconds() / 1e6
    if kind == "datetime":
        column = parse_iso(column.cast(pl.String)) if is_text(column) else column
        return column.dt.weekday() if column.dtype == pl.Date else column.dt.hour()
    if kind == "bytes":
        return column.bin.size()
    if kind == "list":
        if isinstance(column.dtype, pl.Array):
            column = column.arr.to_list()
        if not column.dtype.inner.is_numeric():  # type: ignore[attr-defined]
            return column.list.len()
        return column.list.mean()
    return column
