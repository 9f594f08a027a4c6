"""A desk whose only channel is a file, over a fresh database of each dialect in turn."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from alert_helpers import Office
from alert_receivers import Receiver

from everloop.store.database import Database


@pytest.fixture
def office(database: Database, tmp_path: Path) -> Office:
    return Office(database, tmp_path, {"log": {"kind": "file", "path": "told.jsonl"}})


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()
