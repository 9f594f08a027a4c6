"""The only place where SQLite and PostgreSQL differ."""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from itertools import chain
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

if TYPE_CHECKING:
    from sqlalchemy.dialects.postgresql import Insert

WRITE = "everloop_write"
"""Execution option that marks a connection whose transaction will write."""

MAPPED = 256 * 1024 * 1024
"""Bytes of a SQLite file that each connection reads from the system's own cache, uncopied."""

AT_ONCE = 100
"""Rows of one INSERT."""

IDLE = "15s"
"""How long a transaction that holds others up may say nothing before PostgreSQL ends it."""

IDLED = "25P03"  # what PostgreSQL calls it, and files under its own mistakes

BUSY_SECONDS = 30.0
"""How long a SQLite connection waits for another's write before it gives up."""


def insert_or_ignore(table: sa.Table) -> Insert:
    """An ``INSERT`` that leaves a row alone when its key (or another unique one) exists.

    SQLite has taken PostgreSQL's ``ON CONFLICT`` over word for word, so PostgreSQL's construct
    compiles for both; the tests run it on both.
    """
    return _insert(table).on_conflict_do_nothing()


def upsert(
    table: sa.Table,
    keys: Collection[str],
    updates: Collection[str],
    where: sa.ColumnElement[bool] | None = None,
) -> Insert:
    """An ``INSERT`` that overwrites the columns ``updates`` where the row of ``keys`` exists.

    ``keys`` must be the columns of the primary key or of a unique constraint. A row that ``where``
    does not hold for stays as it is, and is not among those that ``returning`` gives.
    """
    return _overwriting(_insert(table), keys, updates, where)


def upsert_newer(
    table: sa.Table, keys: Collection[str], updates: Collection[str], by: Collection[str]
) -> Insert:
    """An :func:`upsert` that overwrites only where the columns ``by`` of the new row are larger.

    They are compared in order, as a tuple, so the outcome does not depend on who comes first.
    """
    statement = _insert(table)
    new = sa.tuple_(*(statement.excluded[name] for name in by))
    newer = new > sa.tuple_(*(table.c[name] for name in by))
    return _overwriting(statement, keys, updates, newer)


def _overwriting(
    statement: Insert,
    keys: Collection[str],
    updates: Collection[str],
    where: sa.ColumnElement[bool] | None,
) -> Insert:
    return statement.on_conflict_do_update(
        index_elements=list(keys),
        set_={name: statement.excluded[name] for name in updates},
        where=where,
    )


def insert_columns(
    conn: sa.Connection, table: sa.Table, columns: Mapping[str, Sequence[Any]]
) -> None:
    """Insert many rows given by column, as plain Python values; rows that are there stay.

    Both ways go past SQLAlchemy's handling of single rows, which costs more than the insert.
    """
    names = ", ".join(f'"{name}"' for name in columns)
    if conn.dialect.name == "sqlite":
        _insert_rows(conn, f"{table.name} ({names})", list(zip(*columns.values(), strict=True)))
        return
    chosen = ", ".join(_chosen(table.c[name], conn.dialect) for name in columns)
    arrays = ", ".join(f"%s::{_element(table.c[name], conn.dialect)}[]" for name in columns)
    conn.exec_driver_sql(
        f"INSERT INTO {table.name} ({names}) SELECT {chosen} "
        f"FROM unnest({arrays}) AS given ({names}) ON CONFLICT DO NOTHING",
        (*_words(table, columns), *(_array(values) for values in columns.values())),
    )


def _insert_rows(conn: sa.Connection, into: str, rows: Sequence[tuple[Any, ...]]) -> None:
    """SQLite takes a third less time for a row when many come in one statement."""
    marks = f"({', '.join('?' * len(rows[0]))})"
    insert = f"INSERT OR IGNORE INTO {into} VALUES "
    whole = len(rows) - len(rows) % AT_ONCE
    if whole:
        many = insert + ", ".join([marks] * AT_ONCE)
        for start in range(0, whole, AT_ONCE):
            given = chain.from_iterable(rows[start : start + AT_ONCE])
            conn.exec_driver_sql(many, tuple(given))
    if whole < len(rows):
        conn.exec_driver_sql(insert + marks, list(rows[whole:]))


def _chosen(column: sa.Column[Any], dialect: sa.Dialect) -> str:
    """Text is sent once for each different one, and chosen by number."""
    if isinstance(column.type, sa.String):
        return f'(%s::{column.type.compile(dialect)}[])[given."{column.name}"]'
    return f'given."{column.name}"'


def _element(column: sa.Column[Any], dialect: sa.Dialect) -> str:
    return "INTEGER" if isinstance(column.type, sa.String) else column.type.compile(dialect)


def _words(table: sa.Table, columns: Mapping[str, Sequence[Any]]) -> list[list[str]]:
    texts = (
        values for name, values in columns.items() if isinstance(table.c[name].type, sa.String)
    )
    return [list(dict.fromkeys(values)) for values in texts]


def _array(values: Sequence[Any]) -> str:
    """An array as PostgreSQL writes it: four times as fast as the driver's own way."""
    if values and isinstance(values[0], str):
        number = {word: index for index, word in enumerate(dict.fromkeys(values), start=1)}
        values = [number[value] for value in values]
    return "{" + ",".join(map(repr, values)) + "}"


def given_numbers(name: str, dialect: str) -> sa.Select[tuple[int]]:
    """Many whole numbers, which all are the one parameter ``name``, as the column ``number``.

    So the statement stays the same, however many they are. :func:`as_numbers` gives the parameter.
    """
    given = sa.bindparam(name, type_=sa.types.NullType())
    if dialect == "sqlite":
        each = sa.func.json_each(given).table_valued("value")
        return sa.select(each.c.value.label("number"))
    return sa.select(sa.func.unnest(given).label("number"))


def in_numbers(column: sa.ColumnElement[int], name: str, dialect: str) -> sa.ColumnElement[bool]:
    """Whether a column is one of the :func:`given_numbers`."""
    if dialect == "sqlite":
        return column.in_(given_numbers(name, dialect))
    return column == sa.func.any(sa.bindparam(name, type_=sa.types.NullType()))


def as_numbers(numbers: Sequence[int], dialect: str) -> Any:
    """The parameter of an :func:`in_numbers`."""
    return f"[{','.join(map(str, numbers))}]" if dialect == "sqlite" else list(numbers)


def json_pairs(
    key: sa.ColumnElement[str], value: sa.ColumnElement[str], dialect: str
) -> sa.ColumnElement[str]:
    """The rows of a group as the text of a JSON list of objects with ``key`` and ``value``."""
    given: Any = (sa.literal_column("'key'"), key, sa.literal_column("'value'"), value)
    if dialect == "sqlite":
        return sa.func.json_group_array(sa.func.json_object(*given), type_=sa.Text())
    return sa.cast(sa.func.json_agg(sa.func.json_build_object(*given)), sa.Text)


def given_lists(name: str, columns: Sequence[str], dialect: str) -> str:
    """A SELECT of whole numbers: a row for each list in the JSON of the parameter ``name``.

    Its place among them, from 0 on, is the column ``i``.
    """
    if dialect == "sqlite":
        each = (f"json_extract(value, '$[{n}]') AS {column}" for n, column in enumerate(columns))
        return f"SELECT key AS i, {', '.join(each)} FROM json_each(:{name})"
    each = (f"CAST(value->>{n} AS bigint) AS {column}" for n, column in enumerate(columns))
    return (
        f"SELECT number - 1 AS i, {', '.join(each)} "
        f"FROM json_array_elements(CAST(:{name} AS json)) WITH ORDINALITY AS given(value, number)"
    )


def extreme_row(
    value: str, columns: str, source: str, dialect: str, *, greatest: bool = False
) -> str:
    """A subquery: of the row with the least ``value``, or the greatest, the columns as JSON.

    ``source`` is the SELECT from FROM on. The list goes on with the number of rows; without any
    all of it is NULL, or there is none. SQLite sorts nothing: with one min() or max(), its bare
    columns are those of the row that was chosen.
    """
    if dialect == "sqlite":
        chosen = f"{'max' if greatest else 'min'}({value})"
        return f"(SELECT json_array({columns}, count(*), {chosen}) {source})"
    order = f"{value} DESC" if greatest else value
    row = f"SELECT {columns}, count(*) OVER () AS n {source} ORDER BY {order} LIMIT 1"
    return f"(SELECT json_build_array({columns}, n) FROM ({row}) AS chosen)"


def rows_by_statistics(conn: sa.Connection, table: sa.Table) -> int | None:
    """About how many rows a table has, at no cost; None where the database does not say."""
    if conn.dialect.name != "postgresql":
        return None
    found = conn.execute(_ROWS, {"name": table.name}).scalar_one()
    return None if found < 0 else int(found)


_ROWS = sa.text("SELECT reltuples FROM pg_class WHERE oid = CAST(:name AS regclass)")


def _insert(table: sa.Table) -> Insert:
    # Importing this dialect takes as long as opening a SQLite database and reading from it.
    from sqlalchemy.dialects.postgresql import insert  # noqa: PLC0415

    return insert(table)


def clock(dialect: str) -> sa.ColumnElement[int]:
    """The present by the database's own clock, in milliseconds since 1970 UTC.

    On PostgreSQL that of the moment, not of the transaction's beginning.
    """
    if dialect == "sqlite":
        return sa.literal_column(
            "CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)", sa.BigInteger
        )
    return sa.literal_column(
        "(extract(epoch FROM clock_timestamp()) * 1000)::bigint", sa.BigInteger
    )


def bound_idling(dialect: str) -> sa.ColumnElement[Any]:
    """What, selected in a transaction, lets PostgreSQL end it when its process falls silent.

    A process that is suspended inside a transaction would hold its locks until it wakes.
    """
    if dialect == "sqlite":
        return sa.null()
    return sa.func.set_config("idle_in_transaction_session_timeout", IDLE, True)


def serialise(conn: sa.Connection, name: str, *, shared: bool = False) -> None:
    """Let one transaction at a time pass from here to its end, over all processes.

    Those that come with ``shared`` pass together, while none is inside that came without. On
    PostgreSQL this takes the advisory lock called ``name``; taking it again in the same
    transaction is free. On SQLite a write transaction already excludes every other.
    """
    if conn.dialect.name == "postgresql":
        key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big", signed=True)
        lock = sa.func.pg_advisory_xact_lock_shared if shared else sa.func.pg_advisory_xact_lock
        conn.execute(sa.select(bound_idling("postgresql"), lock(key)))


def count_on(conn: sa.Connection, column: sa.Column[int]) -> None:
    """Let numbers that the database gives go on after the largest one that was given to it.

    SQLite does so by itself.
    """
    if conn.dialect.name == "postgresql":
        sequence = sa.func.pg_get_serial_sequence(column.table.name, column.name)
        largest = sa.select(sa.func.coalesce(sa.func.max(column), 0) + 1).scalar_subquery()
        conn.execute(sa.select(sa.func.setval(sequence, largest, False)))


def engine_arguments(dialect: str) -> dict[str, Any]:
    """Arguments of :func:`sqlalchemy.create_engine` for a dialect."""
    if dialect == "sqlite":
        return {
            "connect_args": {"timeout": BUSY_SECONDS},
            "pool_size": 8,
            "max_overflow": 24,
        }
    # A pinged connection outlives a restart of the server without an error for the caller.
    return {
        "connect_args": {"connect_timeout": 5},
        "pool_pre_ping": True,
        "pool_size": 8,
        "max_overflow": 24,
    }


def read_options(dialect: str) -> dict[str, Any]:
    """Execution options that make a transaction one unchanging, read-only view."""
    if dialect == "sqlite":  # a deferred transaction is one already
        return {}
    return {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}


def prepare(engine: sa.Engine) -> None:
    """Set up what each new connection of a SQLite engine needs; nothing on PostgreSQL."""
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", _connected)
        sa.event.listen(engine, "begin", _begin)


def _connected(connection: sqlite3.Connection, _record: object) -> None:
    set_up(connection)


def set_up(connection: sqlite3.Connection) -> None:
    """Give a new SQLite connection the modes that all of ours have."""
    # Python's driver would begin transactions by itself, and late: see _begin.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    if connection.execute("PRAGMA journal_mode").fetchone()[0] != "wal":
        _write_ahead(connection)
    # In WAL mode this can lose the newest commits when the power fails, never damage the file.
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute(f"PRAGMA mmap_size = {MAPPED}")


def _write_ahead(connection: sqlite3.Connection) -> None:
    # SQLite does not wait when two connections switch the mode of a new file at once; the loser
    # is told "locked". A write transaction waits, and afterwards the switch is made or is free.
    for attempt in range(20):
        try:
            connection.execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError:
            if attempt == 19:
                raise
            connection.execute("BEGIN IMMEDIATE")
            connection.execute("ROLLBACK")


def _begin(conn: sa.Connection) -> None:
    # A transaction that starts by reading and then writes fails at once when another wrote in
    # between; IMMEDIATE waits its turn at the start instead.
    write = conn.get_execution_options().get(WRITE, False)
    conn.exec_driver_sql("BEGIN IMMEDIATE" if write else "BEGIN")


def is_missing_table(error: sa.exc.DBAPIError) -> bool:
    """Whether a statement failed because a table is not there yet."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        return "no such table" in str(original)
    return getattr(original, "sqlstate", None) == "42P01"


def is_damage(error: sa.exc.DBAPIError) -> bool:
    """Whether a SQLite file, or text inside it, cannot be read."""
    original = error.orig
    name = getattr(original, "sqlite_errorname", "") or ""
    return isinstance(original, sqlite3.Error) and (
        name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode to UTF-8" in str(original)
    )


def is_full(error: sa.exc.DBAPIError) -> bool:
    """Whether the database's disk has no room, or its owner may not have more of it."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        # SQLite calls the end of a quota a failed write.
        name = getattr(original, "sqlite_errorname", "")
        return name in ("SQLITE_FULL", "SQLITE_IOERR_WRITE")
    return getattr(original, "sqlstate", None) == "53100"


def is_outage(error: sa.exc.DBAPIError) -> bool:
    """Whether the server is away or busy, rather than the statement wrong."""
    original = error.orig
    if isinstance(original, sqlite3.Error):
        name = getattr(original, "sqlite_errorname", "") or ""
        return isinstance(original, sqlite3.OperationalError) and name != "SQLITE_ERROR"
    if getattr(original, "sqlstate", None) == IDLED:
        return True
    return isinstance(error, sa.exc.OperationalError | sa.exc.InterfaceError)
