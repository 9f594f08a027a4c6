from __future__ import annotations

from pathlib import Path

import pytest

from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.store.database import Database
from everloop.store.events import EventLog


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
def registry(database: Database, keys: Keys) -> ModelStore:
    return ModelStore(database, EventLog(database, keys))
