"""Loops that a person has paused: nothing begins by itself until somebody lets them go on.

What is under way goes on to its end, and what a person starts begins. ``everloop rollout pause``
is for a rollout.
"""

from __future__ import annotations

import sqlalchemy as sa

from everloop.errors import Conflict
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import upsert
from everloop.store.events import EventLog
from everloop.store.tables import loop_pauses
from everloop.store.texts import check_long
from everloop.update.situation import Paused

EVERY = "*"  # stands for all loops, those that are yet to come among them
LONGEST = 1000  # characters of a reason


class PauseStore:
    """Who has paused which loop. Safe to share between threads."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self._db = db
        self._events = events

    def of(self, loop: str) -> Paused | None:
        """The pause of ``loop``: its own, or else that of all loops."""
        own_first = sa.case((loop_pauses.c.loop == loop, 0), else_=1)
        query = (
            sa.select(loop_pauses)
            .where(loop_pauses.c.loop.in_([loop, EVERY]))
            .order_by(own_first)
            .limit(1)
        )
        with self._db.read() as conn:
            row = conn.execute(query).first()
        return None if row is None else Paused(row.actor, row.since, row.reason, row.loop == EVERY)

    def pause(self, loop: str = EVERY, *, actor: str, reason: str = "") -> Paused:
        """Pause a loop, or all of them, from now on; a second pause replaces the first."""
        check_long("reason", reason, LONGEST)
        paused = Paused(actor, now_ms(), reason, loop == EVERY)
        values = {"loop": loop, "actor": actor, "since": paused.since, "reason": reason}
        with self._events.transaction() as conn:
            conn.execute(upsert(loop_pauses, ["loop"], ["actor", "since", "reason"]), values)
            self._tell(conn, "loop.paused", loop, actor, {"reason": reason})
        return paused

    def resume(self, loop: str = EVERY, *, actor: str) -> None:
        """End a pause. Raises :class:`~everloop.errors.Conflict` when there is none."""
        with self._events.transaction() as conn:
            gone = conn.execute(loop_pauses.delete().where(loop_pauses.c.loop == loop)).rowcount
            if gone:
                self._tell(conn, "loop.resumed", loop, actor, {})
        if not gone:
            raise Conflict(_not_paused(loop, self.of(loop)), code="not_paused")

    def _tell(
        self, conn: sa.Connection, kind: str, loop: str, actor: str, payload: dict[str, str]
    ) -> None:
        self._events.append(conn, actor=actor, kind=kind, subject=f"loop/{loop}", payload=payload)


def _not_paused(loop: str, paused: Paused | None) -> str:
    if loop == EVERY:
        return "loops: nobody has paused them all."
    if paused is not None:
        return f"loop {loop}: is paused with all loops, and goes on with all of them."
    return f"loop {loop}: nobody has paused it."
