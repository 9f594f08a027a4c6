"""Pages of more runs than a statement may have parameters."""

from __future__ import annotations

import sqlite3

import pytest
import sqlalchemy as sa

from everloop.store.database import Database
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.inputs import InputStore
from everloop.tracking.runs import RunStore


@pytest.fixture
def database(sqlite_database: Database) -> Database:
    """SQLite as it is built for Windows and macOS, only more so."""

    def limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.setlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER, 100)

    sa.event.listen(sqlite_database.engine, "connect", limit)
    return sqlite_database


def test_a_page_may_be_larger(
    database: Database, runs: RunStore, experiments: ExperimentStore
) -> None:
    for n in range(150):
        run = runs.start(f"e{n}", "r", {"t": str(n)})
        runs.log(run, params={"p": n})
    found = runs.search(limit=50_000).items
    assert sorted(int(run.params["p"]) for run in found) == list(range(150))
    assert all(run.tags["t"] == run.params["p"] for run in found)
    assert len(InputStore(database).of(found)) == 150
    everything = experiments.search(limit=50_000).items
    assert len(everything) == 151
    ids = [one.id for one in everything]
    assert len(runs.search(ids, limit=50_000).items) == 150
    assert InputStore(database).datasets(ids) == []
