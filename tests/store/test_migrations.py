"""The tables that the migrations make are the tables that the code uses, on both dialects."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from everloop.store.clock import now_ms
from everloop.store.database import REVISION, VERSION_TABLE, Database
from everloop.store.fresh import SCRIPT, told
from everloop.store.migrate import configuration, migrate
from everloop.store.tables import experiments, metadata

POSTGRESQL = """
    SELECT 'column', table_name, column_name,
           concat_ws(' ', data_type, character_maximum_length, is_nullable, column_default)
      FROM information_schema.columns WHERE table_schema = 'public'
    UNION ALL
    SELECT 'constraint', conrelid::regclass::text, conname, pg_get_constraintdef(oid)
      FROM pg_constraint WHERE connamespace = 'public'::regnamespace AND contype <> 'n'
    UNION ALL
    SELECT 'index', tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'
    ORDER BY 1, 2, 3
"""


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    url = f"sqlite:///{tmp_path}/empty.db"
    if request.param == "postgresql":
        url = request.getfixturevalue("empty_pg_url")
    db = Database(url)
    yield db
    db.close()


def described(db: Database) -> list[tuple[str, ...]]:
    """Every column, constraint and index, as the database itself tells them."""
    if db.dialect == "postgresql":
        with db.read() as conn:
            return [tuple(r) for r in conn.exec_driver_sql(POSTGRESQL) if r[1] != VERSION_TABLE]
    inspector = sa.inspect(db.engine)
    found: list[tuple[str, ...]] = []
    for table in sorted(set(inspector.get_table_names()) - {VERSION_TABLE}):
        parts = [("column", c | {"type": repr(c["type"])}) for c in inspector.get_columns(table)]
        parts += [("primary key", inspector.get_pk_constraint(table))]
        parts += [("foreign key", c) for c in inspector.get_foreign_keys(table)]
        parts += [("unique", c) for c in inspector.get_unique_constraints(table)]
        parts += [
            ("index", i | {"dialect_options": _texts(i.get("dialect_options", {}))})
            for i in inspector.get_indexes(table)
        ]
        found += [(table, kind, str(sorted(part.items()))) for kind, part in parts]
    return sorted(found)


def belongs_to(dialect: str) -> Callable[..., bool]:
    """Whether a thing is meant for the dialect; Alembic does not ask its ``ddl_if``."""
    return lambda thing, *_: getattr(thing, "info", {}).get("dialect", dialect) == dialect


def test_migrations_make_the_tables_of_the_metadata(empty: Database) -> None:
    migrate(empty)
    migrated = described(empty)
    assert len(migrated) > 150
    opts = {"version_table": VERSION_TABLE, "include_object": belongs_to(empty.dialect)}
    with empty.write() as conn:
        context = MigrationContext.configure(conn, opts=opts)
        assert compare_metadata(context, metadata) == []
        metadata.drop_all(conn)
        metadata.create_all(conn)
    assert described(empty) == migrated


def test_there_and_back(empty: Database) -> None:
    migrate(empty)
    first = described(empty)
    config = configuration()
    with empty.write() as conn:
        config.attributes["connection"] = conn
        command.downgrade(config, "base")
    assert described(empty) == []
    migrate(empty)
    assert described(empty) == first


def test_the_head_is_the_revision_that_opening_looks_for() -> None:
    assert ScriptDirectory.from_config(configuration()).get_heads() == [REVISION]


def test_a_new_file_gets_what_the_migrations_make(tmp_path: Path) -> None:
    db = Database(f"sqlite:///{tmp_path}/migrated.db")
    migrate(db)
    db.close()
    again = "python -m everloop.store.fresh writes it anew"
    assert told(tmp_path / "migrated.db") == SCRIPT.read_text(encoding="utf-8"), again
    made = Database(f"sqlite:///{tmp_path}/made.db")
    made.upgrade()
    made.close()
    assert told(tmp_path / "made.db") == SCRIPT.read_text(encoding="utf-8")


def test_upgrade_is_done_once_however_many_start_at_once(empty: Database) -> None:
    url = empty.engine.url.render_as_string(hide_password=False)

    def upgrade(_: int) -> str | None:
        db = Database(url)
        db.upgrade()
        db.upgrade()
        try:
            return db.revision()
        finally:
            db.close()

    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(upgrade, range(6))) == [REVISION] * 6
    with empty.read() as conn:
        rows = conn.exec_driver_sql(f"SELECT version_num FROM {VERSION_TABLE}").all()
    assert [tuple(row) for row in rows] == [(REVISION,)]


def test_a_failed_upgrade_leaves_nothing(empty: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with empty.write() as conn:
        conn.exec_driver_sql("CREATE TABLE windows (a INTEGER)")
    with pytest.raises(sa.exc.DBAPIError):
        empty.upgrade()
    assert sa.inspect(empty.engine).get_table_names() == ["windows"]
    with empty.write() as conn:
        conn.exec_driver_sql("DROP TABLE windows")
    empty.upgrade()
    assert empty.revision() == REVISION


def test_the_wheel_carries_the_migrations(tmp_path: Path) -> None:
    builders = pytest.importorskip("hatchling.builders.wheel")
    root = Path(__file__).parents[2]
    (path,) = builders.WheelBuilder(str(root)).build(directory=str(tmp_path))
    names = zipfile.ZipFile(path).namelist()
    folder = "everloop/store/migrations/"
    wanted = {
        "env.py",
        "script.py.mako",
        "sqlite.sql",
        *(f"versions/{p.name}" for p in _revisions(root)),
    }
    assert {folder + name for name in wanted} <= set(names)


def _texts(options: dict[str, object]) -> dict[str, str]:
    return {name: str(value) for name, value in options.items()}


def _revisions(root: Path) -> list[Path]:
    return sorted((root / "src/everloop/store/migrations/versions").glob("0*.py"))


def test_the_first_experiment_was_made_when_the_database_was(empty: Database) -> None:
    before = now_ms()
    empty.upgrade()
    with empty.read() as conn:
        made = conn.execute(sa.select(experiments.c.created, experiments.c.updated)).one()
    assert before <= made.created == made.updated <= now_ms()
