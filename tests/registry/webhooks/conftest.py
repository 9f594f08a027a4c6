"""Webhooks over a fresh database of each dialect in turn, and a receiver for them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from webhook_helpers import Receiver

from everloop.registry.models import ModelStore
from everloop.registry.signing import Keys
from everloop.registry.webhooks.store import WebhookStore
from everloop.registry.webhooks.vault import Vault
from everloop.store.database import Database
from everloop.store.events import EventLog


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def hooks(database: Database, keys: Keys) -> WebhookStore:
    """Webhooks that may reach this machine."""
    events = EventLog(database, keys)
    return WebhookStore(database, events, Vault(keys), frozenset({"127.0.0.1"}))


@pytest.fixture
def keys(tmp_path: Path) -> Keys:
    return Keys.load_or_create(tmp_path / "keys")


@pytest.fixture
def registry(database: Database, keys: Keys) -> ModelStore:
    return ModelStore(database, EventLog(database, keys))
