"""Who looks at an endpoint's windows: one process at a time, so that each is evaluated once.

A claim lasts while its holder says every few seconds that it is still there. When the holder is
killed another takes over within :data:`LEASE_MS`; one that was only held up (a suspended machine)
finds at its next write that the claim is not its own any more, and stores nothing.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from everloop.errors import Conflict, Unavailable
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.tables import window_claims

LEASE_MS = 15_000
BEAT_SECONDS = 4.0
POLL_SECONDS = 0.1


class Claim:
    """The right to store what is found of an endpoint's windows."""

    def __init__(self, db: Database, endpoint: str) -> None:
        self.db, self.endpoint, self.holder = db, endpoint, str(uuid.uuid4())

    def take(self) -> bool:
        """Have it, unless somebody else does."""
        c = window_claims.c
        now = now_ms()
        free = (c.until <= now) | (c.holder == self.holder)
        query = upsert(window_claims, ["endpoint"], ["holder", "until"], where=free)
        values = {"endpoint": self.endpoint, "holder": self.holder, "until": now + LEASE_MS}
        with self.db.write() as conn:
            return conn.execute(query.values(values).returning(c.holder)).first() is not None

    def keep(self, conn: sa.Connection) -> None:
        """Hold it through this transaction.

        Raises :class:`~everloop.errors.Conflict` when another has it by now.
        """
        mine = self._mine()
        change = sa.update(window_claims).where(mine).values(until=now_ms() + LEASE_MS)
        if not conn.execute(change).rowcount:
            raise Conflict(
                f"windows of endpoint {self.endpoint}: another process looks at them by now.",
                code="claim_lost",
            )

    def drop(self) -> None:
        """Leave it to others; nothing where it was lost."""
        with self.db.write() as conn:
            conn.execute(sa.delete(window_claims).where(self._mine()))

    def _mine(self) -> sa.ColumnElement[bool]:
        c = window_claims.c
        return (c.endpoint == self.endpoint) & (c.holder == self.holder)


@contextmanager
def claimed(db: Database, endpoint: str) -> Iterator[Claim]:
    """Wait for the endpoint's claim, and hold it meanwhile."""
    claim = Claim(db, endpoint)
    while not claim.take():
        time.sleep(POLL_SECONDS)
    over = threading.Event()
    beat = threading.Thread(target=_beat, args=(claim, over), name="claim", daemon=True)
    beat.start()
    try:
        yield claim
    finally:
        over.set()
        beat.join()
        claim.drop()


def _beat(claim: Claim, over: threading.Event) -> None:
    while not over.wait(BEAT_SECONDS):
        try:
            with claim.db.write() as conn:
                claim.keep(conn)
        except Conflict:
            return  # who writes next finds out
        except Unavailable:
            continue  # the database is away for a moment; the next beat may be in time
