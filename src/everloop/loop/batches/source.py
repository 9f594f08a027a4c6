"""The rows of a source from where a batch has come to, with the place of each."""

from __future__ import annotations

import glob
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from everloop.data.addresses import OBJECTS, is_database, scheme
from everloop.data.references import Part
from everloop.data.sources.files import KINDS
from everloop.data.streams import Table, open_table
from everloop.errors import invalid
from everloop.loop.answers import BATCH
from everloop.loop.batches.records import Batch, Piece, Span


class Rows(NamedTuple):
    """Rows that follow one another in the source's ``part``, from its row ``first``."""

    part: int
    first: int
    frame: pl.DataFrame

    @property
    def span(self) -> Span:
        return Span(self.part, self.first, self.frame.height)

    def divided(self, room: int) -> tuple[Rows, Rows]:
        """The first ``room`` rows, and the others."""
        rest = Rows(self.part, self.first + room, self.frame[room:])
        return Rows(self.part, self.first, self.frame[:room]), rest


def open_source(batch: Batch, base: Path, text: Collection[str]) -> Table:
    """The table that ``batch.source`` names; of a folder all files of its one kind."""
    return open_table(of_folder(batch.source, base), base, text, batch.query)


def rows_from(table: Table, parts: Sequence[Part], after: Piece | None) -> Iterator[Rows]:
    """The rows behind those of the piece ``after``; what lies in earlier parts is not read."""
    last = after.spans[-1] if after is not None else Span(0, 0, 0)
    skip = last.first + last.rows
    part, at = last.part, 0
    for number, frame in table.placed(parts, begin=last.part, rows=BATCH):
        if number != part:
            part, at, skip = number, 0, 0
        rows = Rows(part, at, frame)
        at += frame.height
        if at > skip:
            yield rows.divided(skip - rows.first)[1] if rows.first < skip else rows


def cut(rows: Iterator[Rows], size: int, first: int = 0) -> Iterator[tuple[int, Rows]]:
    """The same rows with the number of the piece, of ``size`` rows each, that they belong to."""
    number, room = first, size
    for some in rows:
        rest = some
        while rest.frame.height:
            head, rest = rest.divided(min(room, rest.frame.height))
            yield number, head
            room -= head.frame.height
            if room == 0:
                number, room = number + 1, size


def of_folder(source: str, base: Path) -> str:
    if is_database(source) or scheme(source) in OBJECTS:
        return source
    folder = base / Path(source).expanduser()
    if not folder.is_dir():
        return source
    found = {p.suffix for p in folder.rglob("*") if p.suffix.lower() in KINDS and p.is_file()}
    if len(found) != 1:
        raise invalid(
            "source", source, "a folder with files of one kind", code="unknown_file_type",
            fix=f'Name a pattern, as "{source.rstrip("/")}/*.parquet".',
        )  # fmt: skip
    return f"{glob.escape(source.rstrip('/'))}/**/*{found.pop()}"
