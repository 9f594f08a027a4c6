"""Rows of a query, from any database that SQLAlchemy speaks to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import polars as pl
import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError

from everloop.data.addresses import password
from everloop.errors import InvalidInput, Unavailable, invalid
from everloop.passwords import without_passwords

# Beside the check of what a query says, where a database can be told to refuse a change itself.
_READ_ONLY = {
    "sqlite": "PRAGMA query_only = ON",
    "postgresql": "SET TRANSACTION READ ONLY",
    # MySQL's DDL ends the transaction, and would be carried out in one of its own.
    "mysql": "SET SESSION TRANSACTION READ ONLY",
    "mariadb": "SET SESSION TRANSACTION READ ONLY",
}
_COLON = re.compile(r"(?<![:\w$\\]):(?=[\w$]+(?![:\w$]))")  # which SQLAlchemy takes for a parameter


def read_database(address: str, query: str, base: Path) -> pl.DataFrame:
    """The answer to ``query``; what the query changes, if anything, is rolled back."""
    with _connected(address, query, base) as connection:
        sa.event.listen(connection, "after_cursor_execute", _answers)
        frame = pl.read_database(_text(query), connection=connection, infer_schema_length=None)
    return not_empty(frame, query)


def answered(address: str, query: str, base: Path, rows: int) -> Iterator[pl.DataFrame]:
    """The same answer, ``rows`` at a time, which is also how the driver fetches it."""
    with _connected(address, query, base) as connection:
        streaming = connection.execution_options(stream_results=True, yield_per=rows)
        yield from pl.read_database(
            _text(query),
            connection=streaming,
            iter_batches=True,
            batch_size=rows,
            infer_schema_length=None,
        )


def _text(query: str) -> sa.TextClause:
    """The query as it is written: ``:name`` in it, as in a time or a JSON path, is no parameter."""
    return sa.text(_COLON.sub(r"\:", query))


def not_empty(frame: pl.DataFrame, query: str) -> pl.DataFrame:
    """The frame, or the refusal of one without rows."""
    if frame.is_empty():
        raise invalid(
            "data.query", query, "a query that answers at least one row", code="empty_source"
        )
    return frame


def _answers(_: object, cursor: Any, query: str, *__: object) -> None:
    """Refuse what answers no table, such as an UPDATE; all that is changed is rolled back."""
    if cursor.description is None:
        raise invalid("data.query", query, "a query that answers rows", code="unreadable_source")


@contextmanager
def _connected(address: str, query: str, base: Path) -> Iterator[sa.Connection]:
    try:
        engine = sa.create_engine(_located(address, base), poolclass=sa.NullPool)
    except (ArgumentError, NoSuchModuleError, ModuleNotFoundError) as error:
        raise _unreadable(address, error) from None
    except ValueError as error:  # a port that is no number
        raise _mistaken(address, error) from None
    try:
        with _opened(engine, address) as connection, typed(query):
            if engine.dialect.name in _READ_ONLY:
                connection.exec_driver_sql(_READ_ONLY[engine.dialect.name])
            yield connection
            connection.rollback()
    except DBAPIError as error:
        if error.connection_invalidated:
            raise _away(error, address) from None
        raise invalid(
            "data.query",
            f"<{said(error, address)}>",
            f"SQL that {without_passwords(address)} understands",
            code="unreadable_source",
        ) from None
    finally:
        engine.dispose()


def _opened(engine: sa.Engine, address: str) -> sa.Connection:
    try:
        return engine.connect()
    except DBAPIError as error:
        raise _away(error, address) from None
    except Exception as error:  # whatever a driver says of an option that it has not
        raise _mistaken(address, error) from None


def _away(error: DBAPIError, address: str) -> Unavailable:
    return Unavailable(
        f"data.source: {without_passwords(address)} does not answer: {said(error, address)}.",
        code="source_unavailable",
        path="data.source",
        fix="Check the address, the environment's password and the network.",
    )


def _mistaken(address: str, error: Exception) -> InvalidInput:
    expected = f"an address that its driver understands ({said(error, address)})"
    return invalid("data.source", without_passwords(address), expected, code="unknown_source")


@contextmanager
def typed(query: str) -> Iterator[None]:
    """Refuse an answer that is no table of known types."""
    try:
        yield
    except pl.exceptions.DuplicateError:
        expected = "columns that each have a name of their own: select them, or rename them by AS"
        raise invalid("data.query", query, expected, code="unreadable_source") from None
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, RuntimeError) as error:
        first = str(error).split("\n", 1)[0][:100]
        expected = "values that can be read: numbers of 38 digits or of double precision, dates of"
        expected += f" the years 1 to 9999 ({first})"
        raise invalid("data.query", query, expected, code="unreadable_source") from None


def _located(address: str, base: Path) -> sa.URL:
    """The address; a relative file of SQLite is one beside the loop file, and must be there."""
    url = sa.make_url(address)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return url
    path = base / str(url.database)
    if not path.is_file():
        raise invalid(
            "data.source",
            without_passwords(address),
            f"a file that exists in {path.parent.resolve()}",
            code="missing_file",
        )
    return url.set(database=str(path))


def _unreadable(address: str, error: Exception) -> InvalidInput:
    missing = isinstance(error, NoSuchModuleError | ModuleNotFoundError)
    return invalid(
        "data.source",
        without_passwords(address),
        "SQLAlchemy's URL of a database, such as postgresql+psycopg://user@host/name",
        code="unknown_source",
        fix=f"Install its driver: {said(error, address)}." if missing else None,
    )


def said(error: Exception, address: str) -> str:
    """The first line of what a driver says, never with the password."""
    original = getattr(error, "orig", None) or error
    words = original.args[-1:] if len(original.args) == 2 else ()  # a number, and what it means
    first = str(*words or (original,)).strip().split("\n", 1)[0].rstrip(".")
    secret = password(address)
    for form in (secret, unquote(secret)) if secret else ():
        first = first.replace(form, "***")
    return first
