"""Sends the deliveries that wait, from the control plane.

Any number of servers may do so on one database. A delivery is taken by whoever moves its ``due``
into the future first, in one transaction; should that server die, it is due again when the lease
ends. So none is lost, none is sent by two at a time, and only a receiver whose answer got lost gets
one twice, under the same id.
"""

from __future__ import annotations

import logging
import random
import threading
from abc import ABC, abstractmethod
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from everloop.errors import EverloopError, Integrity
from everloop.registry.webhooks.records import Outcome
from everloop.registry.webhooks.sending import TOTAL_SECONDS, send
from everloop.registry.webhooks.store import WebhookStore
from everloop.repeats import Repeats
from everloop.store.changes import Changes
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.tables import webhook_deliveries, webhooks

log = logging.getLogger("everloop.webhooks")

POLL_SECONDS = 0.5
AT_ONCE = 8
"""Messages under way at a time, so that a slow receiver does not hold up the others."""

LEASE_MS = int(TOTAL_SECONDS * 4 * 1000)
ATTEMPTS = 9
FIRST_PAUSE, GROWTH, LONGEST_PAUSE = 1.0, 4.0, 3600.0  # seconds; nine attempts take 3 hours
KEEP_MS = 30 * 24 * 3600 * 1000
"""How long a delivery that is over stays listed."""


class Carrier(ABC):
    """A thread that looks for what is due in a table of deliveries, and a few that send it.

    The table has the columns id, state (waiting, sent, failed), attempts, due, status, error,
    created and updated; a delivery is due while ``due`` is not NULL. :meth:`attempt` is called from
    several threads at once and raises nothing that is the receiver's fault.
    """

    def __init__(self, db: Database, table: sa.Table, name: str) -> None:
        self.db = db
        self.table = table
        self.name = name
        self._stop = threading.Event()
        self._free = threading.BoundedSemaphore(AT_ONCE)
        self._pool = ThreadPoolExecutor(AT_ONCE, thread_name_prefix=name)
        self._thread = threading.Thread(target=self._run, name=f"{name}-courier", daemon=True)
        self._tidied = 0
        self._changes = Changes(db)
        self._rests = False  # nothing waits, now or later, as long as nobody writes

    @abstractmethod
    def attempt(self, row: Any) -> tuple[Outcome, bool]:
        """Send one delivery; what came of it, and whether it is over even if that failed."""

    def due(self, now: int) -> sa.Select[tuple[str]]:
        """The ids of what may be sent now."""
        due = self.table.c.due
        return sa.select(self.table.c.id).where(due <= now).order_by(due)

    def details(self) -> sa.Select[Any]:
        """What :meth:`attempt` is given of each delivery."""
        return sa.select(self.table)

    def start(self) -> None:
        """Return at once; what waits is sent from now on."""
        self._thread.start()

    def stop(self) -> None:
        """Take nothing more; what is under way ends, or is due again when its lease does."""
        self._stop.set()
        self._thread.join(timeout=5)
        self._changes.close()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def deliver_due(self) -> int:
        """Send what is due now, one after another; returns how many. For tests and tools."""
        count = 0
        while taken := self._take(1):
            self._deliver(taken[0])
            count += 1
        return count

    def _run(self) -> None:
        says = Repeats(log)
        while not self._stop.wait(POLL_SECONDS):
            try:
                self._tidy()
                if not self._idle():
                    while not self._stop.is_set() and self._hand_out():
                        pass
            except EverloopError as error:
                says.warning(f"{self.name} deliveries wait: {error.message}")
                self._stop.wait(5)
            except Exception:
                log.exception("the courier stumbled; it goes on")
                self._stop.wait(5)

    def _idle(self) -> bool:
        """Whether there is nothing to send, now or later; asks only where something changed."""
        if self._changes.any() or not self._rests:
            with self.db.read() as conn:
                waits = sa.select(self.table.c.id).where(self.table.c.due.is_not(None)).limit(1)
                self._rests = conn.execute(waits).first() is None
        return self._rests

    def _hand_out(self) -> bool:
        """Give one due delivery to a free thread; False when there is none, or no thread."""
        if not self._free.acquire(blocking=False):
            return False
        taken: list[Any] = []
        try:
            taken = self._take(1)
            if taken:
                self._pool.submit(self._deliver_and_free, taken[0])
        finally:
            if not taken:
                self._free.release()
        return bool(taken)

    def _deliver_and_free(self, row: Any) -> None:
        try:
            self._deliver(row)
        except EverloopError as error:
            log.warning("%s delivery %s: %s", self.name, row.id, error.message)
        except Exception:
            log.exception("%s delivery %s", self.name, row.id)
        finally:
            self._free.release()

    def _take(self, most: int) -> list[Any]:
        """Take due deliveries, so that nobody else does while the lease lasts."""
        now, columns = now_ms(), self.table.c
        due = self.due(now).limit(most)
        with self.db.read() as conn:
            if conn.execute(due).first() is None:  # most looks end here, without a lock
                return []
        with self.db.write() as conn:
            ids = list(conn.execute(due.with_for_update(skip_locked=True)).scalars())
            if not ids:
                return []
            change = sa.update(self.table).where(columns.id.in_(ids))
            conn.execute(
                change.values(due=now + LEASE_MS, attempts=columns.attempts + 1, updated=now)
            )
            return list(conn.execute(self.details().where(columns.id.in_(ids))))

    def _deliver(self, row: Any) -> None:
        self._settle(row, *self.attempt(row))

    def _settle(self, row: Any, outcome: Outcome, over: bool) -> None:
        """Record what came of it, unless the lease ran out and somebody else took it."""
        now, columns = now_ms(), self.table.c
        values: dict[str, Any] = {
            "status": outcome.status, "error": outcome.error, "updated": now,
        }  # fmt: skip
        if outcome.ok:
            values |= {"state": "sent", "due": None}
        elif over or not outcome.again:
            values |= {"state": "failed", "due": None}
        else:
            values["due"] = now + int(max(pause(row.attempts), outcome.wait or 0.0) * 1000)
        mine = (columns.id == row.id) & (columns.attempts == row.attempts)
        with self.db.write() as conn:
            waiting = mine & (columns.state == "waiting")
            conn.execute(sa.update(self.table).where(waiting).values(**values))
        if not outcome.ok:
            log.info(
                "%s delivery %s, attempt %s: %s", self.name, row.id, row.attempts, outcome.error
            )

    def _tidy(self) -> None:
        """Once an hour, forget what has long been over."""
        now = now_ms()
        if now - self._tidied < 3600_000:
            return
        self._tidied = now
        old = (self.table.c.state != "waiting") & (self.table.c.created < now - KEEP_MS)
        with self.db.write() as conn:
            conn.execute(sa.delete(self.table).where(old))


class Courier(Carrier):
    """Sends what webhooks are told."""

    def __init__(self, store: WebhookStore) -> None:
        super().__init__(store.db, webhook_deliveries, "webhook")
        self.store = store

    def details(self) -> sa.Select[Any]:
        return sa.select(
            webhook_deliveries, webhooks.c.url, webhooks.c.secret, webhooks.c.status.label("on")
        ).join(webhooks, webhooks.c.id == webhook_deliveries.c.webhook)

    def attempt(self, row: Any) -> tuple[Outcome, bool]:
        if row.on != "ACTIVE":
            return Outcome(error="The webhook is disabled."), True
        return self._send(row), row.attempts >= ATTEMPTS

    def _send(self, row: Any) -> Outcome:
        try:
            secret = self.store.vault.open(row.secret) if row.secret else None
        except Integrity as error:
            return Outcome(error=error.message)
        return send(row.url, row.id, row.payload, secret, self.store.hosts)


def pause(attempts: int) -> float:
    """Seconds to wait after so many attempts: 1, 4, 16, …, an hour, and up to a fifth more."""
    grown = min(FIRST_PAUSE * GROWTH ** (attempts - 1), LONGEST_PAUSE)
    return grown * (1 + 0.2 * random.random())
