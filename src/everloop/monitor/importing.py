"""Rows that come as tables instead of through a data plane, each batch exactly once.

A batch is known by what it holds: its name is the digest of its content, entered in the same
transaction as the part. So an import that was killed is simply begun again, two at once do no
harm, and the same file under another name brings nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import polars as pl
import sqlalchemy as sa

from everloop.monitor.parts import to_parquet
from everloop.monitor.shipping import LOCK, add_part
from everloop.store.blobs import Blobs
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import serialise
from everloop.store.references import refer
from everloop.store.tables import log_offsets


class Importer:
    """Adds parts to the log; safe to share between threads and processes."""

    def __init__(self, db: Database, blobs: Blobs) -> None:
        self.db = db
        self.blobs = blobs

    def known(self, kind: str, endpoint: str, content: pl.DataFrame) -> str | None:
        """The batch's name in the ledger, or None when it has come before."""
        name = _name(kind, endpoint, content)
        with self.db.read() as conn:
            seen = sa.select(log_offsets.c.offset).where(log_offsets.c.segment == name)
            return None if conn.execute(seen).first() else name

    def add(self, kind: str, endpoint: str, frame: pl.DataFrame, name: str) -> bool:
        """Add a part under the batch's ``name``; False when somebody else was first.

        A frame without rows is only entered as having come.
        """

        def keep() -> list[str]:
            return [self.blobs.put(to_parquet(frame))] if frame.height else []

        def write(conn: sa.Connection, digests: Sequence[str]) -> bool:
            serialise(conn, LOCK)
            seen = sa.select(log_offsets.c.offset).where(log_offsets.c.segment == name)
            if conn.execute(seen).first():
                return False
            now = now_ms()
            for digest in digests:
                add_part(conn, kind, endpoint, frame, digest, now)
            entry = {"segment": name, "offset": frame.height, "updated": now}
            conn.execute(sa.insert(log_offsets).values(entry))
            return True

        return refer(self.db, self.blobs, keep, write)


def _name(kind: str, endpoint: str, content: pl.DataFrame) -> str:
    digest = hashlib.sha256(endpoint.encode() + b"\0")
    for column in content:
        digest.update(f"{column.name}\0{column.dtype}\0{len(column)}\0".encode())
        digest.update(column.hash(seed=1).to_numpy().tobytes())
        digest.update(column.hash(seed=2).to_numpy().tobytes())
    return f"import/{kind}/{digest.hexdigest()}"
