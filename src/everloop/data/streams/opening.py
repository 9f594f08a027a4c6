"""The table that a source names, read in passes."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

import polars as pl

from everloop.data.addresses import OBJECTS, check_address, is_database, resolved, scheme
from everloop.data.references import BLOCK
from everloop.data.streams._base import Table
from everloop.data.streams.files import Files
from everloop.data.streams.objects import Objects
from everloop.data.streams.queries import Query


def open_table(
    source: str, base: Path, text: Collection[str] = (), query: str | None = None
) -> Table:
    """The table of ``source``; parameters are those of
    :func:`~everloop.data.sources.read_table`."""
    check_address(source, query)
    address = resolved(source)
    if scheme(address) in OBJECTS:
        return Objects(address, text)
    if is_database(address):
        return Query(address, str(query), base)
    return Files(address, base, text)


def stream(source: str, base: Path, rows: int = BLOCK) -> Iterator[pl.DataFrame]:
    """The rows of CSV, Parquet, Arrow or JSON lines files, at most about ``rows`` at a time.

    Unlike :func:`~everloop.data.sources.read_table` it tells the types of text files by their
    first 10,000 rows. Raises :class:`~everloop.errors.InvalidInput` for a file that is not there
    or cannot be read.
    """
    files = Files(source, base)
    yield from files.batches(files.names(), rows=rows)
