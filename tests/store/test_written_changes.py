from __future__ import annotations

import sqlalchemy as sa

from everloop.store.changes import Changes
from everloop.store.database import Database
from everloop.store.tables import log_marks


def test_every_commit_is_told_once(sqlite_database: Database) -> None:
    changes = Changes(sqlite_database)
    assert [changes.any(), changes.any()] == [True, False]
    mark = {"endpoint": "e", "name": "n", "state": "{}", "updated": 1}
    with sqlite_database.write() as conn:
        conn.execute(sa.insert(log_marks).values(mark))
        assert not changes.any()  # it is not there yet
    assert [changes.any(), changes.any()] == [True, False]
    with sqlite_database.read() as conn:
        conn.execute(sa.select(log_marks)).all()
    assert not changes.any()
    changes.close()
    assert changes.any()
