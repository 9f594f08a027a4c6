"""One database: connections, transactions and the version of its tables."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import cast

import sqlalchemy as sa

from everloop.errors import EverloopError, Integrity, MissingExtra, Unavailable, invalid
from everloop.settings import Settings
from everloop.store import dialect
from everloop.store.fresh import fill
from everloop.store.incoming import no_space
from everloop.store.instant import Busy, Instant

REVISION = "0017"
"""The newest migration in ``store/migrations``: what :meth:`Database.upgrade` leads to."""

VERSION_TABLE = "everloop_version"

Check = Callable[[sa.Connection], None]
"""Raises to refuse the transaction that begins."""


def database_url(state: Path, settings: Settings) -> str:
    """The database of a project: the one in the settings, or SQLite in its state folder."""
    if settings.database_url:
        return settings.database_url
    path = state.absolute() / "everloop.db"
    return sa.URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


class Database:
    """A SQLite file or a PostgreSQL database.

    It may be shared by threads; processes open their own. A child made by ``fork`` must not use
    its parent's.

    Parameters
    ----------
    url : ``sqlite:////folder/file.db``, ``postgresql://user@host/name``.

    Attributes
    ----------
    dialect : ``sqlite`` or ``postgresql``.
    engine : SQLAlchemy's engine; prefer :meth:`read` and :meth:`write`.
    """

    def __init__(self, url: str) -> None:
        self._url = _parse(url)
        self.dialect = self._url.get_backend_name()
        try:
            self.engine = sa.create_engine(self._url, **dialect.engine_arguments(self.dialect))
        except ModuleNotFoundError:
            raise MissingExtra("A PostgreSQL database", "postgres") from None
        dialect.prepare(self.engine)
        self._reader = self.engine.execution_options(**dialect.read_options(self.dialect))
        self._writer = self.engine.execution_options(**{dialect.WRITE: True})
        self._local = threading.local()
        # SQLite's own waiting is a sleep; threads of one process queue fairly instead.
        self._turn: AbstractContextManager[object] = (
            threading.Lock() if self.dialect == "sqlite" else nullcontext()
        )
        self._instant: Instant | None = None
        self._check: Check | None = None

    @contextmanager
    def checked(self, check: Check, *, everywhere: bool = False) -> Iterator[None]:
        """Begin each write transaction in the block with ``check``, which may refuse it.

        It is for this thread, or with ``everywhere`` for all that have no check of their own.
        """
        place, name = (self, "_check") if everywhere else (self._local, "check")
        before = getattr(place, name, None)
        setattr(place, name, check)
        try:
            yield
        finally:
            setattr(place, name, before)

    @contextmanager
    def read(self) -> Iterator[sa.Connection]:
        """A read-only transaction in which all queries see the same moment.

        Raises :class:`~everloop.errors.Unavailable` when the database cannot be reached.
        """
        instant = getattr(self._local, "instant", None)
        if instant is not None:
            with instant.transaction(write=False) as quick:
                yield cast("sa.Connection", quick)
            return
        with self.translated(), self._reader.begin() as conn:
            yield conn

    @contextmanager
    def write(self) -> Iterator[sa.Connection]:
        """A transaction that commits at the end of the block and is undone by an exception.

        On SQLite writers take turns, so keep it short. It cannot be nested in a thread: pass the
        connection on instead. Raises :class:`~everloop.errors.Unavailable` when the database
        cannot be reached or stays busy.
        """
        instant = getattr(self._local, "instant", None)
        if instant is not None:
            with instant.transaction(write=True) as quick:
                yield cast("sa.Connection", quick)
            return
        if getattr(self._local, "writing", False):
            raise RuntimeError("This thread is in a write transaction already; pass its connection")
        self._local.writing = True
        try:
            check = getattr(self._local, "check", None) or self._check
            with self._turn, self.translated(), self._writer.begin() as conn:
                if check is not None:
                    check(conn)
                yield conn
        finally:
            self._local.writing = False

    @contextmanager
    def instantly(self) -> Iterator[None]:
        """Make this thread's transactions inside the block without any waiting.

        A transaction in it raises :class:`~everloop.store.instant.Busy` at its beginning when
        another is at work, and always on PostgreSQL, whose answers come over a network. The
        caller then does the same again in an ordinary way, in a thread that may wait.
        """
        if self.dialect != "sqlite":
            raise Busy
        if self._instant is None:
            self._instant = Instant(str(self._url.database), dialect.set_up, self._turn)
        self._local.instant = self._instant
        try:
            yield
        finally:
            self._local.instant = None

    def upgrade(self) -> None:
        """Bring the tables up to date; one query when they are.

        Several processes may do so at once. Raises :class:`~everloop.errors.Conflict` when a
        newer everloop wrote the database.
        """
        if self.dialect == "sqlite":
            Path(str(self._url.database)).parent.mkdir(parents=True, exist_ok=True)
        found = self.revision()
        if found is None and self.dialect == "sqlite":
            found = REVISION if fill(self) else self.revision()
        if found != REVISION:
            # Alembic takes longer to import than most verbs of the command line take to run.
            from everloop.store.migrate import migrate  # noqa: PLC0415

            migrate(self)

    def revision(self) -> str | None:
        """The migration that the tables are at, None before the first."""
        query = sa.select(sa.column("version_num", sa.String)).select_from(sa.table(VERSION_TABLE))
        try:
            with self.read() as conn:
                found = conn.execute(query).scalar_one_or_none()
        except sa.exc.DBAPIError as error:
            if dialect.is_missing_table(error):
                return None
            raise
        return found

    def close(self) -> None:
        """Close all connections that are not in use."""
        self.engine.dispose()
        if self._instant is not None:
            self._instant.close()

    def __repr__(self) -> str:
        return f"Database({self._url.render_as_string(hide_password=True)!r})"

    @contextmanager
    def translated(self) -> Iterator[None]:
        """Raises what a driver raises in the block as errors of ours; other errors pass."""
        try:
            yield
        except sa.exc.TimeoutError as error:
            raise self._unavailable("all its connections are in use") from error
        except sa.exc.DBAPIError as error:
            if dialect.is_damage(error):
                raise Integrity(
                    f"The database {self._place()} cannot be read: {error.orig}.",
                    code="database_damaged",
                    fix="Restore it from a backup.",
                ) from error
            if dialect.is_full(error):
                raise no_space("of the database") from error
            if dialect.is_outage(error):
                raise self._unavailable(str(error.orig).strip().splitlines()[0]) from error
            raise

    def _place(self) -> str:
        return self._url.render_as_string(hide_password=True)

    def _unavailable(self, reason: str) -> EverloopError:
        return Unavailable(
            f"The database {self._place()} is not available: {reason}.",
            code="database_unavailable",
            fix="Check settings.database_url and that the database is up.",
        )


def _parse(text: str) -> sa.URL:
    expected = "sqlite:////folder/file.db or postgresql://user@host/name"
    try:
        url = sa.make_url(text)
    except (sa.exc.ArgumentError, ValueError):
        # The text may hold a password, so it is not shown.
        raise invalid("settings.database_url", "<not a URL>", expected) from None
    if url.drivername in ("postgres", "postgresql", "postgresql+psycopg"):
        return url.set(drivername="postgresql+psycopg")
    if url.drivername not in ("sqlite", "sqlite+pysqlite"):
        raise invalid("settings.database_url", url.drivername + "://…", expected)
    if not url.database or url.database == ":memory:" or "mode" in url.query:
        raise invalid(
            "settings.database_url",
            url.render_as_string(),
            "a SQLite file, since several processes share the database",
        )
    return url
