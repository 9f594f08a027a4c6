"""Our own back ends keep the contracts that we ship."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from everloop.store.blobs import Blobs
from everloop.store.database import Database
from everloop.testing import TrackingContract


class TestSqliteAndFolder(TrackingContract):
    @pytest.fixture
    def database(self, sqlite_database: Database) -> Database:
        return sqlite_database


class TestPostgresAndS3(TrackingContract):
    @pytest.fixture
    def database(self, pg_url: str) -> Iterator[Database]:
        db = Database(pg_url)
        yield db
        db.close()

    @pytest.fixture
    def blobs(self, s3_url: str) -> Blobs:
        return Blobs(s3_url)
