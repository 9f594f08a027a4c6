"""A table of a database: the rows of a part and its line in the records in one transaction.

The records stand in a second table beside it, ``NAME_parts``: the header under -2, the totals
under -1, then a line for each part. Two processes cannot both write a part, since its number is
the key there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError, NoSuchModuleError

from everloop.data.addresses import resolved
from everloop.data.sources.databases import said
from everloop.errors import Conflict, Unavailable, invalid
from everloop.loop.batches.records import Finished, Header, Piece
from everloop.loop.batches.targets._base import Reject, Target, busy, reject_line
from everloop.loop.lock import hold
from everloop.passwords import without_passwords

_HEADER, _TOTALS = -2, -1
_MYSQL = ("mysql", "mariadb")
# MySQL's own TEXT ends after 64 KiB, its BLOB too, and its DATETIME at the second.
_TEXT = sa.Text().with_variant(mysql.LONGTEXT(), *_MYSQL)
_TYPES: list[tuple[Any, sa.types.TypeEngine[Any]]] = [
    (pl.Boolean, sa.Boolean()),
    (pl.Datetime, sa.DateTime().with_variant(mysql.DATETIME(fsp=6), *_MYSQL)),
    (pl.Date, sa.Date()),
    (pl.Binary, sa.LargeBinary().with_variant(mysql.LONGBLOB(), *_MYSQL)),
]
# Of an address, and what drivers raise on an option of it that they do not have.
_MISTAKEN = (
    ArgumentError, NoSuchModuleError, ModuleNotFoundError,
    TypeError, ValueError, AttributeError, OSError,
)  # fmt: skip


class Database(Target):
    """Raises :class:`~everloop.errors.Conflict` when another process writes to the table, and when
    one of its name is there that no batch made."""

    def __init__(self, address: str, name: str, lock: Path, base: Path) -> None:
        self._address, self._name = resolved(address), name
        self._where = f"the table {name} of {without_passwords(address)}"
        self.pieces: list[Piece] = []
        lock.parent.mkdir(parents=True, exist_ok=True)
        self._lock = hold(lock, busy(self._where))
        try:
            self._engine = sa.create_engine(_located(self._address, base), poolclass=sa.NullPool)
            self._parts = sa.Table(
                f"{name}_parts", sa.MetaData(),
                sa.Column("part", sa.Integer, primary_key=True, autoincrement=False),
                sa.Column("said", _TEXT, nullable=False),
                sa.Column("rejects", _TEXT, nullable=False),
            )  # fmt: skip
            self._load()
        except _MISTAKEN as error:
            self._lock.close()
            raise invalid(
                "to", without_passwords(address), "a folder, or SQLAlchemy's URL of a database",
                fix=f"{said(error, self._address)}.",
            ) from None  # fmt: skip
        except DBAPIError as error:
            self._lock.close()
            raise self._away(error) from None
        except BaseException:
            self._lock.close()
            raise

    def begin(self, header: Header) -> None:
        self._parts.create(self._engine)
        with self._engine.begin() as conn:
            self._note(conn, _HEADER, header)
        self.header = header

    def put(self, piece: Piece, frame: pl.DataFrame, rejects: list[Reject]) -> None:
        lines = b"".join(map(reject_line, rejects)).decode()
        table = sa.Table(self._name, sa.MetaData(), *_columns(frame))
        try:
            if frame.height and not any(p.written for p in self.pieces):
                table.create(self._engine, checkfirst=True)  # a crash may have left it, empty
            with self._engine.begin() as conn:
                self._note(conn, piece.number, piece, lines)
                if frame.height:
                    conn.execute(sa.insert(table), frame.to_dicts())
        except IntegrityError:
            raise busy(self._where) from None
        except DBAPIError as error:
            raise self._away(error) from None
        self.pieces.append(piece)

    def finish(self, finished: Finished) -> None:
        with self._engine.begin() as conn:
            self._note(conn, _TOTALS, finished)
        self.finished = finished

    def close(self) -> None:
        self._engine.dispose()
        self._lock.close()

    def _load(self) -> None:
        there = sa.inspect(self._engine)
        if not there.has_table(self._parts.name):
            if there.has_table(self._name):
                raise Conflict(
                    f"to: {self._where} is there already, and no batch made it.",
                    code="target_taken", path="table", fix="Name a table that is new.",
                )  # fmt: skip
            return
        parts = self._parts.c
        with self._engine.connect() as conn:
            rows = conn.execute(sa.select(parts.part, parts.said).order_by(parts.part)).all()
        for number, text in rows:
            if number == _HEADER:
                self.header = msgspec.json.decode(text, type=Header)
            elif number == _TOTALS:
                self.finished = msgspec.json.decode(text, type=Finished)
            else:
                self.pieces.append(msgspec.json.decode(text, type=Piece))

    def _note(self, conn: sa.Connection, number: int, what: Any, rejects: str = "") -> None:
        text = msgspec.json.encode(what).decode()
        conn.execute(sa.insert(self._parts).values(part=number, said=text, rejects=rejects))

    def _away(self, error: DBAPIError) -> Unavailable:
        return Unavailable(
            f"to: {without_passwords(self._address)} did not take the rows: "
            f"{said(error, self._address)}.",
            code="target_unavailable", path="to",
            fix="Run the same command again when it does; it goes on where it was.",
        )  # fmt: skip


def _located(address: str, base: Path) -> sa.URL:
    """The address; a relative file of SQLite is one of the project's folder."""
    url = sa.make_url(address)
    if url.get_backend_name() != "sqlite" or url.database in (None, "", ":memory:"):
        return url
    return url.set(database=str(base / str(url.database)))


def _columns(frame: pl.DataFrame) -> list[sa.Column[Any]]:
    return [sa.Column(name, _type(dtype)) for name, dtype in frame.schema.items()]


def _type(dtype: pl.DataType) -> sa.types.TypeEngine[Any]:
    if dtype.is_integer():
        return sa.BigInteger()
    if dtype.is_numeric():
        return sa.Double()
    return next((made for kind, made in _TYPES if dtype == kind), _TEXT)
