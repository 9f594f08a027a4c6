"""How far tables that grow have been read, and when rows came: a small state for each endpoint."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa

from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.tables import log_marks, log_parts

T = TypeVar("T", bound=msgspec.Struct)


class MarkStore:
    """Reads and writes the states; each is a struct of its owner's."""

    def __init__(self, db: Database) -> None:
        self.db = db

    def read(self, endpoint: str, name: str, kind: type[T]) -> T:
        """The state, or a new one."""
        where = (log_marks.c.endpoint == endpoint) & (log_marks.c.name == name)
        with self.db.read() as conn:
            found = conn.execute(sa.select(log_marks.c.state).where(where)).scalar()
        return kind() if found is None else msgspec.json.decode(found, type=kind)

    def write(self, endpoint: str, name: str, state: Any) -> None:
        with self.db.write() as conn:
            conn.execute(
                upsert(log_marks, ["endpoint", "name"], ["state", "updated"]),
                {
                    "endpoint": endpoint, "name": name, "updated": now_ms(),
                    "state": msgspec.json.encode(state).decode(),
                },
            )  # fmt: skip

    def arrived(self, endpoint: str) -> int | None:
        """When rows of the endpoint came into the log last, whoever brought them (ms)."""
        query = sa.select(sa.func.max(log_parts.c.created)).where(
            log_parts.c.endpoint == endpoint, log_parts.c.kind == "predictions"
        )
        with self.db.read() as conn:
            return conn.execute(query).scalar()
