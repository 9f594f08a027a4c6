"""The rows of a source from where a batch has come to, with the place of each."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import polars as pl

from everloop.data.references import Part
from everloop.data.sources.folders import of_folder
from everloop.data.streams import Table, open_table
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
