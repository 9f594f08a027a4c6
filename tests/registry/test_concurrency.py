"""Many processes, each with threads, write to one database: nothing is lost or given twice."""

from __future__ import annotations

import multiprocessing
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import runs as runs_table
from everloop.tracking.runs import RunStore

PROCESSES, THREADS, EACH = 4, 4, 6
SHARED = 3


def work(url: str, folder: str, process: int) -> list[tuple[str, int]]:
    """Register versions from each of ``THREADS`` threads; returns (key, version) pairs."""
    db = Database(url)
    events = EventLog(db, Keys.load(Path(folder)))
    registry = ModelStore(db, events)
    runs = RunStore(db, events)

    def one(thread: int) -> list[tuple[str, int]]:
        made = []
        for number in range(EACH):
            run = runs.start("shared", f"{process}-{thread}-{number}")
            runs.log_metrics(run, {"number": number})
            # Some keys are one writer's own; some are everybody's, as in a step done twice.
            key = f"shared-{number}" if number < SHARED else f"{process}-{thread}-{number}"
            version = registry.register(
                "m",
                key=key,
                digest="a" * 64,
                algorithm="ridge",
                files={},
                run=run,
                actor=f"w{process}",
            )
            registry.set_alias("m", "champion", version.version, f"w{process}")
            made.append((key, version.version))
        return made

    try:
        with ThreadPoolExecutor(THREADS) as pool:
            return [pair for pairs in pool.map(one, range(THREADS)) for pair in pairs]
    finally:
        db.close()


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(PROCESSES, mp_context=context) as pool:
        yield pool


def test_sixteen_writers(
    database_url: str, tmp_path: Path, keys: Keys, processes: ProcessPoolExecutor
) -> None:
    futures = [
        processes.submit(work, database_url, str(tmp_path / "keys"), n) for n in range(PROCESSES)
    ]
    pairs = {pair for future in futures for pair in future.result()}
    expected = SHARED + PROCESSES * THREADS * (EACH - SHARED)
    # One version for each key, and each number once, without a gap.
    assert len({key for key, _ in pairs}) == len(pairs) == expected
    assert sorted(number for _, number in pairs) == list(range(1, expected + 1))

    db = Database(database_url)
    log = EventLog(db, keys)
    registry = ModelStore(db, log)
    stored = {(v.key, v.version) for v in registry.versions("m", limit=1000)}
    assert stored == pairs
    audit = log.verify()
    assert audit.ok, audit.reason
    events = log.page(limit=1000)
    assert audit.events == len(events)
    registered = [e.payload["version"] for e in events if e.kind == "model.registered"]
    assert registered == list(range(1, expected + 1))
    # Each change of the alias says truly what it was before.
    now = None
    for event in events:
        if event.kind == "model.alias_set":
            assert event.payload["before"] == now
            now = event.payload["version"]
    assert registry.alias("m", "champion") == now
    with db.read() as conn:
        made = conn.execute(sa.select(sa.func.count()).select_from(runs_table)).scalar()
    assert made == PROCESSES * THREADS * EACH
    db.close()
