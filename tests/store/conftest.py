from __future__ import annotations

from collections.abc import Callable

import pytest

from everloop.store import migrate
from everloop.store.database import Database


@pytest.fixture(autouse=True)
def real_migrations(
    known_tables: Callable[[Database], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """These tests are about them."""
    monkeypatch.setattr(migrate, "migrate", known_tables)
