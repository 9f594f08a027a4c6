"""Transactions so short that they are made where they are asked for, without a thread of their own.

A server that answers thousands of small requests a second spends more time on handing each to a
thread, and on what SQLAlchemy does around a statement, than SQLite spends on it. So SQLite gets one
more connection, which never waits: when another writer is at work, :class:`Busy` says so, and the
caller goes the ordinary way. The statements are the same ones, compiled once.
"""

from __future__ import annotations

import sqlite3
import threading
from collections import namedtuple
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.sqlite.pysqlite import SQLiteDialect_pysqlite

from everloop.store.checkpoints import Checkpoints

Parameters = Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
KEPT = 500
"""Most statements kept compiled."""

_DIALECT = SQLiteDialect_pysqlite(paramstyle="qmark")


class Busy(Exception):
    """Another transaction is at work, or the disk fails; nothing was done.

    The ordinary way waits for the one, and tells of the other.
    """


class Instant:
    """One connection to a SQLite file, for one transaction at a time, that never waits.

    :meth:`transaction` gives something with ``execute`` as SQLAlchemy's connections have it, as
    far as the stores use it.
    """

    def __init__(
        self,
        path: str,
        prepare: Callable[[sqlite3.Connection], None],
        turn: AbstractContextManager[object] | None = None,
    ) -> None:
        self._path = path
        self._prepare = prepare
        self._turn = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._checkpoints = Checkpoints(path, prepare, turn)

    @contextmanager
    def transaction(self, write: bool) -> Iterator[Quick]:
        """A transaction that commits at the end of the block.

        Raises :class:`Busy` at its start when another is at work, at any time when the disk fails.
        """
        if not self._turn.acquire(blocking=False):
            raise Busy
        try:
            connection = self._open()
            _begin(connection, write)
            try:
                yield Quick(connection)
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:  # SQLite itself ends one that the disk fails
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.OperationalError):
                    raise Busy from error
                raise
            if write:
                self._checkpoints.written()
        finally:
            self._turn.release()

    def close(self) -> None:
        """Close the connection, once nobody uses it."""
        self._checkpoints.close()
        with self._turn:
            if self._connection is not None:
                self._connection.close()
                self._connection = None

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self._connection = sqlite3.connect(
                self._path, timeout=0, check_same_thread=False, cached_statements=KEPT
            )
            self._prepare(self._connection)
            self._connection.execute("PRAGMA wal_autocheckpoint = 0")
        return self._connection


def _begin(connection: sqlite3.Connection, write: bool) -> None:
    try:
        connection.execute("BEGIN IMMEDIATE" if write else "BEGIN")
    except sqlite3.OperationalError as error:
        if (error.sqlite_errorname or "").startswith("SQLITE_BUSY"):
            raise Busy from None
        raise


class Quick:
    """A connection in a transaction; executes SQLAlchemy's statements without SQLAlchemy."""

    dialect = _DIALECT

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def execute(self, statement: sa.Executable, parameters: Parameters = None) -> Rows:
        """Run a statement; parameters are by name, a list of them runs it once for each."""
        if isinstance(parameters, Sequence):
            prepared = prepare(statement, tuple(parameters[0]))
            many = [prepared.values(one) for one in parameters]
            return Rows(self._connection.executemany(prepared.text, many), prepared)
        given = parameters or {}
        prepared = prepare(statement, tuple(given))
        return Rows(self._connection.execute(prepared.text, prepared.values(given)), prepared)

    def exec_driver_sql(
        self, text: str, parameters: tuple[Any, ...] | list[tuple[Any, ...]]
    ) -> None:
        """Run a text in SQLite's own words; once for each of the rows when it is given a list."""
        if isinstance(parameters, list):
            self._connection.executemany(text, parameters)
        else:
            self._connection.execute(text, parameters)


class Prepared:
    """A statement as SQLite reads it, for parameters of these names."""

    def __init__(self, statement: sa.Executable, names: tuple[str, ...]) -> None:
        self.statement = statement  # kept alive, so that no other can take its identity
        compiled: Any = statement.compile(  # type: ignore[attr-defined]
            dialect=_DIALECT,
            column_keys=list(names) if names else None,
            compile_kwargs={"render_postcompile": True},
        )
        self.text = str(compiled)
        self._names = list(compiled.positiontup or ())
        self._fixed = dict(compiled.params)
        self._columns = [column.keyname for column in compiled._result_columns]
        self._booleans = [
            place
            for place, column in enumerate(compiled._result_columns)
            if isinstance(column.type, sa.Boolean)
        ]
        row: Any = namedtuple("row", self._columns, rename=True)  # type: ignore[misc]
        row._mapping = property(row._asdict)  # type: ignore[attr-defined]
        self.row = row._make

    def values(self, given: Mapping[str, Any]) -> list[Any]:
        """The parameters in the order of their marks."""
        fixed = self._fixed
        return [given[name] if name in given else fixed[name] for name in self._names]

    def read(self, values: tuple[Any, ...]) -> Any:
        """A row with its columns as attributes."""
        if self._booleans:
            changed = list(values)
            for place in self._booleans:
                changed[place] = None if changed[place] is None else bool(changed[place])
            return self.row(changed)
        return self.row(values)


_prepared: dict[tuple[int, tuple[str, ...]], Prepared] = {}


def prepare(statement: sa.Executable, names: tuple[str, ...]) -> Prepared:
    """A statement compiled; one that is a constant of a module is compiled once."""
    key = (id(statement), names)
    found = _prepared.get(key)
    if found is None:
        if len(_prepared) >= KEPT:  # statements made for one use, mostly
            _prepared.clear()
        found = _prepared[key] = Prepared(statement, names)
    return found


class Rows:
    """What a statement gave."""

    def __init__(self, cursor: sqlite3.Cursor, prepared: Prepared) -> None:
        self._cursor = cursor
        self._prepared = prepared

    @property
    def rowcount(self) -> int:
        """How many rows it changed."""
        return self._cursor.rowcount

    def __iter__(self) -> Iterator[Any]:
        read = self._prepared.read
        return (read(values) for values in self._cursor)

    def all(self) -> list[Any]:
        return list(self)

    def first(self) -> Any:
        return next(iter(self), None)

    def scalar(self) -> Any:
        values = self._cursor.fetchone()
        return None if values is None else values[0]

    def scalar_one(self) -> Any:
        (values,) = self._cursor.fetchall()
        return values[0]

    def scalars(self) -> Iterator[Any]:
        return (values[0] for values in self._cursor)
