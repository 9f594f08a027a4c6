from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.errors import Conflict, Integrity, InvalidInput, Unavailable
from everloop.settings import Settings
from everloop.store.database import REVISION, Database, database_url
from everloop.store.dialect import insert_or_ignore, upsert
from everloop.store.tables import experiments, loops, models


def test_write_commits_and_an_exception_undoes_it(database: Database) -> None:
    with database.write() as conn:
        conn.execute(sa.insert(models), _model("kept", 1))
    with pytest.raises(ZeroDivisionError), database.write() as conn:
        conn.execute(sa.insert(models), _model("lost", 1))
        raise ZeroDivisionError
    with database.read() as conn:
        assert conn.execute(sa.select(models.c.name)).scalars().all() == ["kept"]


def test_read_sees_one_moment(database: Database) -> None:
    count = sa.select(sa.func.count()).select_from(models)
    with database.read() as conn:
        assert conn.execute(count).scalar_one() == 0
        with database.write() as writer:
            writer.execute(sa.insert(models), _model("m", 1))
        assert conn.execute(count).scalar_one() == 0
    with database.read() as conn:
        assert conn.execute(count).scalar_one() == 1


def test_nested_write_is_a_mistake_that_shows_at_once(sqlite_database: Database) -> None:
    with (
        sqlite_database.write(),
        pytest.raises(RuntimeError, match="pass its connection"),
        sqlite_database.write(),
    ):
        pass
    with sqlite_database.write():
        pass


def test_read_modify_write_from_many_threads_loses_nothing(database: Database) -> None:
    """A deferred SQLite transaction would fail here with "database is locked"."""
    with database.write() as conn:
        conn.execute(sa.insert(models), _model("m", 0))
    one = models.c.name == "m"

    def add(_: int) -> None:
        with database.write() as conn:
            old = conn.execute(
                sa.select(models.c.created).where(one).with_for_update()
            ).scalar_one()
            conn.execute(sa.update(models).where(one).values(created=old + 1))

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(80)))
    with database.read() as conn:
        assert conn.execute(sa.select(models.c.created)).scalar_one() == 80


def test_foreign_keys_hold(database: Database) -> None:
    from everloop.store.tables import runs

    row = {"id": "0" * 32, "experiment": 99, "name": "", "status": "RUNNING", "started": 1}
    with pytest.raises(sa.exc.IntegrityError), database.write() as conn:
        conn.execute(sa.insert(runs), row)


def test_insert_or_ignore_and_upsert(database: Database) -> None:
    with database.write() as conn:
        for created in (1, 2):
            conn.execute(
                insert_or_ignore(experiments), {"name": "e", "created": created, "updated": created}
            )
        statement = upsert(loops, ["name"], ["declaration", "updated"])
        rows = [
            {"name": name, "declaration": text, "created": at, "updated": at}
            for name, text, at in (("a", "{}", 1), ("b", "{}", 1), ("a", "[]", 2))
        ]
        conn.execute(statement, rows)
    with database.read() as conn:
        made = sa.select(experiments.c.created).where(experiments.c.name == "e")
        assert conn.execute(made).scalars().all() == [1]
        found = conn.execute(sa.select(loops).order_by(loops.c.name)).all()
    assert [tuple(row) for row in found] == [("a", "[]", 1, 2), ("b", "{}", 1, 1)]


def test_opening_a_current_database_does_not_import_alembic(sqlite_url: str) -> None:
    code = (
        "import sys; from everloop.store.database import REVISION, Database;"
        f"db = Database({sqlite_url!r}); db.upgrade();"
        "print([m for m in ('alembic', 'psycopg', 'polars') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_opening_a_current_database_asks_for_its_version_only(sqlite_url: str) -> None:
    Database(sqlite_url).upgrade()
    asked: list[str] = []
    db = Database(sqlite_url)
    sa.event.listen(
        db.engine, "before_cursor_execute", lambda *arguments: asked.append(arguments[2])
    )
    db.upgrade()
    db.close()
    assert [text.split()[0] for text in asked if text != "BEGIN"] == ["SELECT"]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("sqlite://", "a SQLite file"),
        ("sqlite:///:memory:", "a SQLite file"),
        ("mysql://u:secret@h/d", "got 'mysql://…'"),
        ("nonsense secret", "sqlite:////folder/file.db"),
        ("postgresql://u:secret@h:port/d", "sqlite:////folder/file.db"),
    ],
)
def test_bad_urls_get_one_sentence_without_the_password(url: str, expected: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        Database(url)
    assert expected in raised.value.message
    assert "secret" not in str(raised.value.to_dict())


@pytest.mark.parametrize("scheme", ["postgres", "postgresql", "postgresql+psycopg"])
def test_unreachable_server_is_unavailable_and_hides_the_password(scheme: str) -> None:
    db = Database(f"{scheme}://u:secret@127.0.0.1:1/d")
    assert db.dialect == "postgresql"
    with pytest.raises(Unavailable) as raised:
        db.upgrade()
    assert raised.value.code == "database_unavailable"
    assert "secret" not in str(raised.value.to_dict()) + repr(db)


def test_unusable_sqlite_files(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(Unavailable, match="unable to open"):
        Database(f"sqlite:///{tmp_path}/folder").upgrade()
    (tmp_path / "text.db").write_text("this is not a database " * 100)
    with pytest.raises(Integrity, match="cannot be read"):
        Database(f"sqlite:///{tmp_path}/text.db").upgrade()


def test_busy_database_is_unavailable(sqlite_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("everloop.store.dialect.BUSY_SECONDS", 0.05)
    one, two = Database(sqlite_url), Database(sqlite_url)
    with one.write(), pytest.raises(Unavailable, match="locked"), two.write():
        pass
    with two.write():
        pass
    one.close()
    two.close()


def test_mistakes_in_statements_are_not_called_outages(database: Database) -> None:
    with pytest.raises(sa.exc.DBAPIError), database.read() as conn:
        conn.exec_driver_sql("SELECT * FROM no_such_table")


def test_connections_survive_a_server_that_drops_them(pg_url: str) -> None:
    db = Database(pg_url)
    with db.read() as conn:
        own = conn.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
    other = Database(pg_url)
    with other.write() as conn:
        conn.execute(sa.select(sa.func.pg_terminate_backend(own)))
    with db.read() as conn:
        assert conn.execute(sa.select(1)).scalar_one() == 1
    with pytest.raises(Unavailable), db.write() as conn:
        own = conn.execute(sa.select(sa.func.pg_backend_pid())).scalar_one()
        with other.write() as killer:
            killer.execute(sa.select(sa.func.pg_terminate_backend(own)))
        conn.execute(sa.select(1))
    db.close()
    other.close()


def test_default_url_takes_any_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a b?c#d%41é:@" / ".everloop"
    db = Database(database_url(folder, Settings()))
    db.upgrade()
    db.close()
    assert (folder / "everloop.db").exists()
    assert database_url(folder, Settings(database_url="postgresql://h/d")) == "postgresql://h/d"


def test_many_open_a_new_sqlite_database_at_once(tmp_path: Path) -> None:
    """Switching a new file to WAL at once fails in SQLite without waiting; we must not."""
    barrier = threading.Barrier(8)

    def open_it(_: int) -> str | None:
        db = Database(f"sqlite:///{tmp_path}/new.db")
        barrier.wait()
        db.upgrade()
        try:
            return db.revision()
        finally:
            db.close()

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(open_it, range(8))) == {REVISION}


def test_a_newer_database_is_refused(database: Database) -> None:
    with database.write() as conn:
        conn.exec_driver_sql("UPDATE everloop_version SET version_num = '9999'")
    with pytest.raises(Conflict, match="revision 9999"):
        database.upgrade()


def _model(name: str, created: int) -> dict[str, object]:
    return {"name": name, "last": 0, "created": created, "updated": created}
