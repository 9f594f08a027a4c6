"""Transactions without a thread: the same statements, the same answers, never a wait."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.instant import Busy
from everloop.store.tables import experiments, metric_points, run_metrics, runs

ROW = {"name": "e", "created": 1, "updated": 1}


def count(db: Database) -> int:
    with db.read() as conn:
        return int(conn.execute(sa.select(sa.func.count()).select_from(experiments)).scalar_one())


def test_it_reads_and_writes_as_the_others_do(sqlite_database: Database) -> None:
    db = sqlite_database
    with db.instantly():
        with db.write() as conn:
            made = conn.execute(insert_or_ignore(experiments).returning(experiments.c.id), ROW)
            number = made.scalar()
            again = conn.execute(insert_or_ignore(experiments), ROW)
            assert again.rowcount == 0
        with db.read() as conn:
            query = sa.select(experiments).where(experiments.c.id.in_([number, 77]))
            (row,) = conn.execute(query).all()
            assert (row.name, row._mapping["created"], row.deleted) == ("e", 1, None)
            assert conn.execute(query).first() == row
            names = sa.select(experiments.c.name).order_by(experiments.c.id)
            assert list(conn.execute(names).scalars()) == ["Default", "e"]
            assert conn.execute(sa.select(experiments.c.id).where(sa.false())).scalar() is None
    assert count(db) == 2


def test_booleans_come_back_as_booleans(sqlite_database: Database) -> None:
    run = {"id": "a", "experiment": 0, "name": "", "user": "", "status": "", "started": 1}
    point = {"key": "m", "at": 1, "step": 1, "value": 0.0}
    with sqlite_database.instantly(), sqlite_database.write() as conn:
        number = conn.execute(sa.insert(runs).returning(runs.c.number), run | {"location": ""})
        one = number.scalar_one()
        rows = [point | {"run": one, "nan": nan} for nan in (False, True)]
        conn.execute(sa.insert(metric_points), rows)
        found = conn.execute(sa.select(metric_points.c.nan).order_by(metric_points.c.nan))
        assert [row.nan for row in found] == [False, True]
        assert conn.execute(sa.select(run_metrics)).all() == []


def test_an_error_undoes_everything(sqlite_database: Database) -> None:
    with pytest.raises(ValueError), sqlite_database.instantly(), sqlite_database.write() as conn:
        conn.execute(sa.insert(experiments), ROW)
        raise ValueError
    assert count(sqlite_database) == 1


def test_a_full_disk_is_left_to_the_ordinary_way(sqlite_database: Database) -> None:
    db = sqlite_database
    limit, large = "PRAGMA max_page_count = ", ROW | {"location": "x" * 1_000_000}
    with db.instantly():
        with pytest.raises(Busy), db.write() as conn:
            conn._connection.execute(limit + "1")  # as small as the file is
            conn.execute(sa.insert(experiments), ROW | {"name": "before"})
            conn.execute(sa.insert(experiments), large)
        assert count(db) == 1
        with db.write() as conn:
            conn._connection.execute(limit + "1000000")
            conn.execute(sa.insert(experiments), large)
    assert count(db) == 2


def test_it_never_waits_for_another_writer(sqlite_database: Database) -> None:
    db, held, done = sqlite_database, threading.Event(), threading.Event()

    def hold() -> None:
        with db.write() as conn:
            conn.execute(sa.insert(experiments), ROW)
            held.set()
            done.wait(60)

    other = threading.Thread(target=hold)
    other.start()
    assert held.wait(60)
    with db.instantly():
        with pytest.raises(Busy), db.write():
            pass
        assert count(db) == 1  # readers are not held up
    done.set()
    other.join()
    with db.instantly(), db.write() as conn:
        conn.execute(sa.insert(experiments), ROW | {"name": "f"})
    assert count(db) == 3


def test_another_process_that_writes_makes_it_busy(
    sqlite_database: Database, tmp_path: Path
) -> None:
    other = Database(str(sqlite_database.engine.url))
    with other.write() as conn:
        conn.execute(sa.insert(experiments), ROW)
        with sqlite_database.instantly(), pytest.raises(Busy), sqlite_database.write():
            pass
    other.close()


def test_one_at_a_time(sqlite_database: Database) -> None:
    db = sqlite_database
    with db.instantly(), db.read(), pytest.raises(Busy), db.read():
        pass


def test_never_on_postgresql(pg_url: str) -> None:
    db = Database(pg_url)
    with pytest.raises(Busy), db.instantly():
        pass
    db.close()
