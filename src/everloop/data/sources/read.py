"""One way in, whatever the rows come from."""

from __future__ import annotations

from collections.abc import Collection
from pathlib import Path

import polars as pl

from everloop.data.addresses import OBJECTS, check_address, is_database, resolved, scheme
from everloop.data.sources.databases import read_database
from everloop.data.sources.duck import read_duckdb
from everloop.data.sources.files import read_files
from everloop.data.sources.objects import read_objects


def read_table(
    source: str, base: Path, text: Collection[str] = (), query: str | None = None
) -> pl.DataFrame:
    """The rows of ``source``.

    Parameters
    ----------
    source : a path or a glob pattern (``data/*.csv``, ``**`` crosses folders), in the order of the
        file names; the same in an object store (``s3://bucket/data/*.parquet``, ``gs://``,
        ``az://account/container/…``), whose credentials come from the environment; SQLAlchemy's
        URL of a database; ``duckdb:///file`` or ``duckdb://``, which reads files by SQL.
        ``${NAME}`` stands for a variable of the environment.
    base : the folder that a relative path starts from.
    text : columns that stay text in CSV even where they look like numbers.
    query : the SQL that reads a database.

    Raises :class:`~everloop.errors.InvalidInput` for what is not there or cannot be read, with the
    file, the line or the database's own words, and
    :class:`~everloop.errors.Unavailable` when a server does not answer.
    """
    check_address(source, query)
    address = resolved(source)
    if scheme(address) in OBJECTS:
        return read_objects(address, text)
    if not is_database(address):
        return read_files(address, base, text)
    assert query is not None
    if scheme(address) == "duckdb":
        return read_duckdb(address, query, base)
    return read_database(address, query, base)
