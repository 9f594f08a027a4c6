"""Stores over a fresh database of each dialect in turn."""

from __future__ import annotations

from pathlib import Path

import pytest

from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.tracking.experiments import ExperimentStore
from everloop.tracking.runs import RunStore


@pytest.fixture
def event_log(database: Database, tmp_path: Path) -> EventLog:
    return EventLog(database, Keys.load_or_create(tmp_path / "keys"))


@pytest.fixture
def experiments(database: Database, event_log: EventLog) -> ExperimentStore:
    return ExperimentStore(database, event_log)


@pytest.fixture
def runs(database: Database, event_log: EventLog) -> RunStore:
    return RunStore(database, event_log)
