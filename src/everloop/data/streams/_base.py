"""What a table is that stays where it is.

A table knows its parts and reads them again from the first row to the last, as often as it is
asked to, with no more than some batches in memory. The rows of a part come in the same order each
time, except those of a query. Whoever reads says which parts he believes to read: a table raises
:class:`~everloop.errors.Conflict` as soon as one of them is not what it was, if need be after its
last row, so what was made of a table counts only once reading has come to its end.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

import polars as pl

from everloop.data.references import BLOCK, Part
from everloop.data.streams.scanning import frames, told_types
from everloop.errors import Conflict, invalid

CHUNK = 8 << 20  # bytes that are hashed at a time


class Table(ABC):
    """Rows in parts; ``text`` names columns that stay text even where they look like numbers."""

    text: Collection[str] = ()

    @abstractmethod
    def parts(self) -> list[Part]:
        """The parts as they are now, every byte hashed."""

    @abstractmethod
    def names(self) -> list[Part]:
        """The parts, their content believed: for a look that nothing is made of."""

    @abstractmethod
    def opened(self, part: Part) -> AbstractContextManager[Path]:
        """A file of this machine with the part's bytes, compared with what it was."""

    def marks(self) -> list[Part]:
        """The parts by what tells a change: of files their content, of objects their ETags."""
        return self.parts()

    def batches(
        self, parts: Sequence[Part], whole: Collection[str] = (), rows: int = BLOCK
    ) -> Iterator[pl.DataFrame]:
        """All rows, at most about ``rows`` at a time; of ``whole`` columns as whole numbers."""
        for _, frame in self.placed(parts, rows=rows):
            yield _whole(frame, whole)

    def placed(
        self, parts: Sequence[Part], begin: int = 0, rows: int = BLOCK
    ) -> Iterator[tuple[int, pl.DataFrame]]:
        """The same rows, each batch with the number of its part, from that number ``begin`` on."""
        types: dict[str, pl.DataType] | None = None
        columns: list[str] = []
        if begin:
            with self.opened(parts[0]) as path:
                types = told_types(path, self.text)
        for number, part in enumerate(parts[begin:], begin):
            with self.opened(part) as path:
                if types is None:
                    types = told_types(path, self.text)
                for frame in frames(path, types, rows):
                    columns = columns or frame.columns
                    yield number, _aligned(frame, columns, part, parts[0])


def changed(part: Part, why: str) -> Conflict:
    """The refusal of a part that is not what it was."""
    return Conflict(
        f"data.source: {part.address} has changed since its rows were referred to: {why}.",
        code="source_changed",
        path="data.source",
        fix="Run the loop again, which takes what is there now; or put the old content back.",
    )


def _whole(frame: pl.DataFrame, names: Collection[str]) -> pl.DataFrame:
    """Columns of numbers without a fraction as such; reading had to allow for one."""
    of_floats = [n for n in names if n in frame.columns and frame.schema[n] == pl.Float64]
    return frame.with_columns(pl.col(of_floats).cast(pl.Int64)) if of_floats else frame


def _aligned(frame: pl.DataFrame, columns: list[str], part: Part, first: Part) -> pl.DataFrame:
    if frame.columns == columns:
        return frame
    odd = sorted(set(frame.columns) ^ set(columns))
    if odd:
        verb = "is missing" if odd[0] in columns else "is extra"
        raise invalid(
            part.address,
            f"<column {odd[0]!r} {verb}>",
            f"the columns of {first.address}",
            code="columns_differ",
        )
    return frame.select(columns)
