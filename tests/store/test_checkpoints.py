"""The log that SQLite writes ahead: who moves it into the file, and when."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from everloop.store import checkpoints
from everloop.store.checkpoints import Checkpoints, move
from everloop.store.dialect import set_up
from everloop.store.instant import Instant

PAGE = 4096


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "some.db"


@pytest.fixture
def connection(path: Path) -> Iterator[sqlite3.Connection]:
    opened = connect(path)
    opened.execute("CREATE TABLE t (text)")
    opened.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    yield opened
    opened.close()


def connect(path: Path) -> sqlite3.Connection:
    opened = sqlite3.connect(path, check_same_thread=False)
    set_up(opened)
    opened.execute("PRAGMA wal_autocheckpoint = 0")
    return opened


def fill(connection: sqlite3.Connection, pages: int) -> None:
    connection.execute("INSERT INTO t VALUES (zeroblob(?))", (pages * PAGE,))


def pages_in_log(path: Path) -> int:
    return Path(f"{path}-wal").stat().st_size // PAGE


def kept(path: Path) -> int:
    """How many rows are in the file itself, whatever the log holds."""
    alone = path.with_name("alone.db")
    alone.write_bytes(path.read_bytes())
    with sqlite3.connect(f"file:{alone}?immutable=1", uri=True) as opened:
        return int(opened.execute("SELECT count(*) FROM t").fetchone()[0])


def test_the_connection_that_never_waits_moves_nothing(path: Path) -> None:
    instant = Instant(str(path), set_up)
    with instant.transaction(write=True) as quick:
        quick._connection.execute("CREATE TABLE t (text)")
    for _ in range(5):
        with instant.transaction(write=True) as quick:
            fill(quick._connection, 1000)
    assert pages_in_log(path) > 5000
    assert path.stat().st_size <= PAGE
    instant.close()


def test_a_thread_moves_after_some_transactions(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    moved = threading.Event()
    monkeypatch.setattr(checkpoints, "EVERY", 3)
    monkeypatch.setattr(checkpoints, "move", lambda *given: (move(*given), moved.set()))
    log = Checkpoints(str(path), set_up)
    for _ in range(2):
        fill(connection, 1)
        log.written()
    assert log._thread is None
    log.written()
    assert moved.wait(60)
    log.close()
    assert kept(path) == 2
    log.close()


def test_a_long_log_begins_anew(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LONGEST", 50)
    other = connect(path)
    fill(connection, 20)
    assert move(other) == "passive" and kept(path) == 1
    fill(connection, 80)
    assert move(other) == "restart"
    before = pages_in_log(path)
    fill(connection, 20)
    assert pages_in_log(path) == before  # written over
    other.close()


def test_what_a_reader_still_sees_stays_in_the_log(
    path: Path, connection: sqlite3.Connection
) -> None:
    reader = connect(path)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    fill(connection, 10)
    other = connect(path)
    assert move(other) == "passive" and kept(path) == 0
    reader.execute("COMMIT")
    assert move(other) == "passive" and kept(path) == 1
    for opened in (reader, other):
        opened.close()


def test_another_writer_is_no_failure(
    path: Path, connection: sqlite3.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoints, "LONGEST", 5)
    fill(connection, 10)
    connection.execute("BEGIN IMMEDIATE")
    other = sqlite3.connect(path, timeout=0)
    assert move(other) == "restart" and kept(path) == 1
    connection.execute("ROLLBACK")
    other.close()
