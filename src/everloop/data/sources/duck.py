"""Rows of a query, by DuckDB: of its own file, or of files that the query names."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl

from everloop.data.sources.databases import not_empty, typed
from everloop.errors import MissingExtra, invalid


def read_duckdb(address: str, query: str, base: Path) -> pl.DataFrame:
    """The answer to ``query``; files that it names are looked for in ``base``.

    The database is opened for reading only.
    """
    with _asked(address, query, base) as found:
        frame = pl.DataFrame(pl.from_arrow(found.to_arrow_table()))
    return not_empty(frame, query)


def duck_answered(address: str, query: str, base: Path, rows: int) -> Iterator[pl.DataFrame]:
    """The same answer, about ``rows`` at a time."""
    with _asked(address, query, base) as found:
        for batch in found.to_arrow_reader(rows):
            yield pl.DataFrame(pl.from_arrow(batch))


@contextmanager
def _asked(address: str, query: str, base: Path) -> Iterator[Any]:
    try:
        import duckdb  # noqa: PLC0415
    except ImportError:
        raise MissingExtra("A DuckDB source", "duckdb") from None
    name = address.partition("://")[2].removeprefix("/")
    path = base / name
    if name and not path.is_file():
        expected = f"a file that exists in {path.parent.resolve()}"
        raise invalid("data.source", address, expected, code="missing_file")
    try:
        with duckdb.connect(str(path) if name else ":memory:", read_only=bool(name)) as connection:
            connection.execute("SET file_search_path = ?", [str(base)])
            found = connection.sql(query)
            if found is None:
                raise invalid("data.query", query, "a query that answers rows")
            with typed(query):
                yield found
    except duckdb.Error as error:
        first = str(error).strip().split("\n", 1)[0]
        raise invalid(
            "data.query", f"<{first}>", "SQL that DuckDB understands", code="unreadable_source"
        ) from None
