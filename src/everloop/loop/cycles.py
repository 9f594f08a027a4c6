"""The store of loops, cycles and their steps: the loop's memory, and what the console shows."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound
from everloop.loop.cycle_steps import StepStore
from everloop.loop.declarations import DeclarationStore
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.events import EventLog
from everloop.store.tables import cycle_steps, cycles
from everloop.store.texts import json_text


class Cycle(msgspec.Struct, frozen=True):
    """One trip round the loop, with its cause, its verdict and the evidence for it.

    ``state`` is running, waiting (for a person), done or failed. ``verdict`` comes with the end:
    promoted, registered, rejected (a gate), not_worth_it, refused (the data), rolled_back (the
    canary), declined (a person) or failed. ``realised`` is what a promotion gained, as
    :class:`~everloop.update.realised.Realised`, once labels tell.
    """

    id: str
    loop: str
    number: int
    state: str
    cause: dict[str, Any]
    plan: list[str]
    started: int
    verdict: str | None = None
    reason: str | None = None
    version: int | None = None
    evidence: dict[str, Any] | None = None
    finished: int | None = None
    realised: dict[str, Any] | None = None


class CycleStore(DeclarationStore, StepStore):
    """Reads and writes of loops, cycles and steps. Safe to share between threads."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self._db = db
        self._events = events
        self._declared = {}

    def create(
        self,
        loop: str,
        *,
        cause: dict[str, Any],
        plan: list[str],
        actor: str,
        after: int | None = None,
    ) -> Cycle:
        """Begin a cycle.

        ``after`` is the number of the newest cycle that the caller has seen: what was decided
        before another cycle ended must not start one more. Raises Conflict then, and while another
        cycle of the loop is under way.
        """
        try:
            with self._events.transaction() as conn:
                cycle_id = self._insert(conn, loop, cause, plan, actor, after)
        except sa.exc.IntegrityError:
            raise self._under_way(loop) from None
        return self.get(cycle_id)

    def _under_way(self, loop: str) -> Conflict:
        waiting = [cycle.number for cycle in self.unfinished("waiting") if cycle.loop == loop]
        said = "a cycle is under way already."
        fix = "everloop history shows it; everloop run goes on with one that a crash has left."
        if waiting:
            said = f"cycle {waiting[0]} waits for a person's word."
            fix = f"everloop decision {waiting[0]} shows what for; approve or reject it first."
        return Conflict(f"loop {loop}: {said}", code="cycle_under_way", fix=fix)

    def refuse(
        self,
        loop: str,
        *,
        cause: dict[str, Any],
        reason: str,
        evidence: dict[str, Any],
        actor: str,
        after: int,
    ) -> Cycle:
        """A cycle that ends as it begins, in one transaction: nobody can run it in between.

        Raises Conflict when another cycle came after the one numbered ``after``.
        """
        with self._events.transaction() as conn:
            cycle_id = self._insert(conn, loop, cause, [], actor, after)
            self._end(conn, cycle_id, "refused", reason, None, evidence, actor)
        return self.get(cycle_id)

    def _insert(
        self,
        conn: sa.Connection,
        loop: str,
        cause: dict[str, Any],
        plan: list[str],
        actor: str,
        after: int | None,
    ) -> str:
        last = conn.scalar(sa.select(sa.func.max(cycles.c.number)).where(cycles.c.loop == loop))
        number = (last or 0) + 1
        if after is not None and after != number - 1:
            raise Conflict(f"loop {loop}: another cycle was first.", code="overtaken")
        cycle_id = uuid.uuid4().hex
        conn.execute(
            cycles.insert().values(
                id=cycle_id,
                loop=loop,
                number=number,
                state="running",
                cause=json_text(cause),
                plan=json_text(plan),
                started=now_ms(),
            )
        )
        self._events.append(
            conn,
            actor=actor,
            kind="cycle.started",
            subject=f"loop/{loop}",
            payload={"cycle": cycle_id, "number": number, "cause": cause},
        )
        return cycle_id

    def get(self, cycle: str) -> Cycle:
        with self._db.read() as conn:
            row = conn.execute(sa.select(cycles).where(cycles.c.id == cycle)).first()
        if row is None:
            raise NotFound(f"cycle: got {cycle!r}, which does not exist.", path="cycle", got=cycle)
        return _cycle(row)

    def outcome(self, cycle: str) -> str:
        """How a cycle ended, in words; empty while it goes on, or of one that is not there."""
        query = sa.select(cycles.c.number, cycles.c.verdict, cycles.c.reason)
        with self._db.read() as conn:
            row = conn.execute(query.where(cycles.c.id == cycle)).first()
        if row is None or row.verdict is None:
            return ""
        return f"cycle {row.number} {row.verdict.replace('_', ' ')}: {row.reason}"

    def page(
        self, loop: str | None = None, before: int | None = None, limit: int = 20
    ) -> list[Cycle]:
        """Newest first; ``before`` is the ``number`` (of one loop) or ``started`` to go on from."""
        key = cycles.c.number if loop else cycles.c.started
        query = sa.select(cycles).order_by(key.desc()).limit(limit)
        if loop:
            query = query.where(cycles.c.loop == loop)
        if before is not None:
            query = query.where(key < before)
        with self._db.read() as conn:
            return [_cycle(row) for row in conn.execute(query)]

    def unfinished(self, state: str | None = None) -> list[Cycle]:
        """Cycles under way, oldest first."""
        query = sa.select(cycles).where(cycles.c.finished.is_(None)).order_by(cycles.c.started)
        if state:
            query = query.where(cycles.c.state == state)
        with self._db.read() as conn:
            return [_cycle(row) for row in conn.execute(query)]

    def set_state(self, cycle: str, state: str) -> None:
        with self._db.write() as conn:
            conn.execute(
                cycles.update()
                .where(cycles.c.id == cycle, cycles.c.finished.is_(None))
                .values(state=state)
            )

    def suspend(self, cycle: str, step: str) -> None:
        """Let a cycle wait for a person's word on ``step``, unless the word has come already."""
        said = sa.select(cycle_steps.c.step).where(
            cycle_steps.c.cycle == cycle, cycle_steps.c.step == step, cycle_steps.c.state == "done"
        )
        with self._db.write() as conn:
            conn.execute(
                cycles.update()
                .where(cycles.c.id == cycle, cycles.c.finished.is_(None), ~said.exists())
                .values(state="waiting")
            )

    def finish(
        self,
        cycle: str,
        *,
        verdict: str,
        reason: str,
        version: int | None = None,
        evidence: dict[str, Any] | None = None,
        actor: str = "controller",
    ) -> Cycle:
        """Write the verdict, once; a second call changes nothing."""
        with self._events.transaction() as conn:
            self._end(conn, cycle, verdict, reason, version, evidence, actor)
        return self.get(cycle)

    def _end(
        self,
        conn: sa.Connection,
        cycle: str,
        verdict: str,
        reason: str,
        version: int | None,
        evidence: dict[str, Any] | None,
        actor: str,
    ) -> None:
        changed = conn.execute(
            cycles.update()
            .where(cycles.c.id == cycle, cycles.c.finished.is_(None))
            .values(
                state="failed" if verdict == "failed" else "done",
                verdict=verdict,
                reason=reason,
                version=version,
                evidence=json_text(evidence or {}),
                finished=now_ms(),
            )
        ).rowcount
        if changed:
            loop = conn.scalar(sa.select(cycles.c.loop).where(cycles.c.id == cycle))
            self._events.append(
                conn,
                actor=actor,
                kind="cycle.finished",
                subject=f"loop/{loop}",
                payload={"cycle": cycle, "verdict": verdict, "reason": reason, "version": version},
            )


def numbered(found: Sequence[Cycle], number: int, loop: str) -> Cycle:
    """The cycle of that number; NotFound where it is not among those ``found``."""
    for cycle in found:
        if cycle.number == number:
            return cycle
    raise NotFound(f"cycle: got {number}, which {loop} does not have.", path="cycle", got=number)


def _cycle(row: sa.Row[Any]) -> Cycle:
    return Cycle(
        id=row.id,
        loop=row.loop,
        number=row.number,
        state=row.state,
        cause=msgspec.json.decode(row.cause),
        plan=msgspec.json.decode(row.plan),
        started=row.started,
        verdict=row.verdict,
        reason=row.reason,
        version=row.version,
        evidence=msgspec.json.decode(row.evidence) if row.evidence else None,
        finished=row.finished,
        realised=msgspec.json.decode(row.realised) if row.realised else None,
    )
