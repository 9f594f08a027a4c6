"""A new SQLite database by one script, in a tenth of the time that all migrations take.

The script is what the migrations leave. ``python -m everloop.store.fresh`` writes it anew once
there is another one; a test says when that was forgotten.
"""

from __future__ import annotations

import re
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from everloop.store.database import Database

SCRIPT = Path(__file__).parent / "migrations" / "sqlite.sql"
_TABLES = "SELECT count(*) FROM sqlite_master"
_NOW = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"  # ms since 1970


def fill(db: Database) -> bool:
    """Make all tables of an empty database; whether it was empty.

    In one transaction: of several processes one makes them, and one that is killed leaves none.
    """
    with db.write() as conn:
        if conn.exec_driver_sql(_TABLES).scalar_one():
            return False
        for statement in SCRIPT.read_text(encoding="utf-8").split(";\n"):
            if statement.strip():
                conn.exec_driver_sql(statement)
    return True


def told(path: Path) -> str:
    """The script of a database that the migrations have made and nobody has written to."""
    with closing(sqlite3.connect(path)) as conn:
        kept = [row for row in conn.iterdump() if not row.startswith(("BEGIN", "COMMIT"))]
    return "".join(f"{re.sub(r'1[0-9]{12}', _NOW, row)}\n" for row in kept)


def main() -> None:
    """Write the script by the migrations."""
    from everloop.store.database import Database  # noqa: PLC0415 - which imports this module
    from everloop.store.migrate import migrate  # noqa: PLC0415

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "everloop.db"
        db = Database(f"sqlite:///{path}")
        migrate(db)
        db.close()
        SCRIPT.write_text(told(path), encoding="utf-8")


if __name__ == "__main__":
    main()
