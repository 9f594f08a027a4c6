"""The store of loops, cycles and their steps: the loop's memory, and what the console shows.

A step's row is written twice, when it begins and when it is done, each in its own transaction with
its event. A step that is ``done`` is never run again: that, and not the engine's own checkpoint, is
what makes a cycle idempotent, since the result lies in the same database as what it describes.
"""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, NotFound, nearest
from everloop.loop.declaration import Declaration, from_dict, to_dict
from everloop.loop.declared import changes
from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.events import EventLog
from everloop.store.tables import cycle_steps, cycles, loops

HEAVY = ("probe", "snapshot", "train", "evaluate", "register")  # steps that compute


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


class Step(msgspec.Struct, frozen=True):
    """One step of a cycle.

    ``state`` is running, delayed (it waits for ``due``, and ``error`` says why), done or failed.
    ``failures`` counts how often its process crashed or was killed at a limit.
    """

    cycle: str
    step: str
    position: int
    state: str
    attempts: int
    started: int
    finished: int | None = None
    result: dict[str, Any] | None = None
    error: str | None = None
    failures: int = 0
    due: int | None = None


class CycleStore:
    """Reads and writes of loops, cycles and steps. Safe to share between threads."""

    def __init__(self, db: Database, events: EventLog) -> None:
        self._db = db
        self._events = events
        self._declared: dict[str, tuple[str, Declaration]] = {}  # by name, with its text

    # -- loops ---------------------------------------------------------------------------------

    def save_loop(self, declaration: Declaration, actor: str) -> None:
        """Record a loop's declaration; an event only when it is new or changed."""
        text = _encode(to_dict(declaration))
        now = now_ms()
        wanted = sa.select(loops.c.declaration).where(loops.c.name == declaration.name)
        with self._db.read() as conn:
            # Every status comes through here, and must not wait for a writer.
            if conn.scalar(wanted) == text:
                return
        with self._events.transaction() as conn:
            row = conn.execute(wanted).first()
            if row is not None and row.declaration == text:
                return
            _check_endpoint(conn, declaration)
            changed = [] if row is None else changes(msgspec.json.decode(row[0]), declaration)
            if row is None:
                conn.execute(
                    loops.insert().values(
                        name=declaration.name, declaration=text, created=now, updated=now
                    )
                )
            else:
                conn.execute(
                    loops.update()
                    .where(loops.c.name == declaration.name)
                    .values(declaration=text, updated=now)
                )
            self._events.append(
                conn,
                actor=actor,
                kind="loop.declared",
                subject=f"loop/{declaration.name}",
                payload={"changed": row is not None, "changes": changed},
            )

    def declaration(self, name: str) -> Declaration:
        """The recorded declaration of a loop; NotFound with the nearest name otherwise."""
        with self._db.read() as conn:
            text = conn.scalar(sa.select(loops.c.declaration).where(loops.c.name == name))
        if text is None:
            guess = nearest(name, self.loop_names())
            raise NotFound(
                f"loop: got {name!r}, which does not exist.",
                path="loop",
                got=name,
                fix=f'Did you mean "{guess}"?' if guess else "everloop init DATA.csv makes one.",
            )
        return from_dict(msgspec.json.decode(text)).declaration

    def declarations(self) -> list[Declaration]:
        """The recorded declarations of all loops, by name; each is read once, until it changes."""
        query = sa.select(loops.c.name, loops.c.declaration).order_by(loops.c.name)
        with self._db.read() as conn:
            rows = conn.execute(query).all()
        before, self._declared = self._declared, {}
        for name, text in rows:
            known = before.get(name)
            if known is None or known[0] != text:
                known = (text, from_dict(msgspec.json.decode(text)).declaration)
            self._declared[name] = known
        return [self._declared[name][1] for name, _ in rows]

    def loop_names(self) -> list[str]:
        with self._db.read() as conn:
            return list(conn.scalars(sa.select(loops.c.name).order_by(loops.c.name)))

    # -- cycles --------------------------------------------------------------------------------

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
            raise Conflict(
                f"loop {loop}: a cycle is under way already.",
                code="cycle_under_way",
                fix="everloop run follows it to its end, and everloop history shows it.",
            ) from None
        return self.get(cycle_id)

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
                cause=_encode(cause),
                plan=_encode(plan),
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

    def done_steps(self, ids: Sequence[str]) -> dict[str, set[str]]:
        """The names of the steps that are done, by cycle."""
        query = sa.select(cycle_steps.c.cycle, cycle_steps.c.step).where(
            cycle_steps.c.cycle.in_(ids), cycle_steps.c.state == "done"
        )
        found: dict[str, set[str]] = {cycle: set() for cycle in ids}
        with self._db.read() as conn:
            for cycle, step in conn.execute(query):
                found[cycle].add(step)
        return found

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
                evidence=_encode(evidence or {}),
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

    # -- steps ---------------------------------------------------------------------------------

    def steps(self, cycle: str) -> list[Step]:
        query = sa.select(cycle_steps).where(cycle_steps.c.cycle == cycle)
        with self._db.read() as conn:
            return [_step(row) for row in conn.execute(query.order_by(cycle_steps.c.position))]

    def heavy_steps(
        self, ids: Sequence[str], names: Sequence[str] = HEAVY
    ) -> dict[str, dict[str, Step]]:
        """The done steps that compute, by cycle and name; a cycle without any is left out."""
        query = sa.select(cycle_steps).where(
            cycle_steps.c.cycle.in_(ids),
            cycle_steps.c.step.in_(names),
            cycle_steps.c.finished.is_not(None),
        )
        found: dict[str, dict[str, Step]] = {}
        with self._db.read() as conn:
            for step in map(_step, conn.execute(query)):
                found.setdefault(step.cycle, {})[step.step] = step
        return found

    def step(self, cycle: str, step: str) -> Step | None:
        query = sa.select(cycle_steps).where(
            cycle_steps.c.cycle == cycle, cycle_steps.c.step == step
        )
        with self._db.read() as conn:
            row = conn.execute(query).first()
        return _step(row) if row else None

    def begin_step(self, cycle: str, step: str, position: int) -> None:
        with self._db.write() as conn:
            conn.execute(
                insert_or_ignore(cycle_steps).values(
                    cycle=cycle,
                    step=step,
                    position=position,
                    state="running",
                    attempts=0,
                    started=now_ms(),
                )
            )
            conn.execute(
                cycle_steps.update()
                .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
                .where(cycle_steps.c.state != "done")
                .values(
                    state="running",
                    attempts=cycle_steps.c.attempts + 1,
                    started=now_ms(),
                    finished=None,
                    error=None,
                    due=None,
                )
            )

    def delay_step(self, cycle: str, step: str, error: str, seconds: float, *, died: bool) -> None:
        """Note why a step did not come to its end, and that it is begun again in ``seconds``."""
        with self._db.write() as conn:
            conn.execute(
                cycle_steps.update()
                .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
                .where(cycle_steps.c.state != "done")
                .values(
                    state="delayed",
                    error=error,
                    failures=cycle_steps.c.failures + int(died),
                    due=now_ms() + int(seconds * 1000),
                )
            )

    def note_step(self, conn: sa.Connection, cycle: str, step: str, result: dict[str, Any]) -> None:
        """Note, in the transaction that does it, what a step that goes on has done already."""
        conn.execute(
            cycle_steps.update()
            .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
            .where(cycle_steps.c.state != "done")
            .values(result=_encode(result))
        )

    def finish_step(self, cycle: str, step: str, result: dict[str, Any]) -> None:
        self._end_step(cycle, step, state="done", result=_encode(result))

    def fail_step(self, cycle: str, step: str, error: str) -> None:
        self._end_step(cycle, step, state="failed", error=error)

    def _end_step(self, cycle: str, step: str, **values: Any) -> None:
        with self._db.write() as conn:
            conn.execute(
                cycle_steps.update()
                .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
                .where(cycle_steps.c.state != "done")
                .values(finished=now_ms(), **values)
            )


def numbered(found: Sequence[Cycle], number: int, loop: str) -> Cycle:
    """The cycle of that number; NotFound where it is not among those ``found``."""
    for cycle in found:
        if cycle.number == number:
            return cycle
    raise NotFound(f"cycle: got {number}, which {loop} does not have.", path="cycle", got=number)


def _check_endpoint(conn: sa.Connection, declaration: Declaration) -> None:
    """Two loops behind one endpoint would take its traffic from each other."""
    others = sa.select(loops.c.name, loops.c.declaration).where(loops.c.name != declaration.name)
    for name, text in conn.execute(others):
        if from_dict(msgspec.json.decode(text)).declaration.endpoint == declaration.endpoint:
            raise Conflict(
                f"deploy.endpoint: got {declaration.endpoint!r}, which the loop {name!r} has.",
                path="deploy.endpoint",
                got=declaration.endpoint,
                code="endpoint_taken",
                fix="Give the loop an endpoint of its own.",
            )


def _encode(value: Any) -> str:
    return msgspec.json.encode(value, order="sorted").decode()


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


def _step(row: sa.Row[Any]) -> Step:
    return Step(
        cycle=row.cycle,
        step=row.step,
        position=row.position,
        state=row.state,
        attempts=row.attempts,
        started=row.started,
        finished=row.finished,
        result=msgspec.json.decode(row.result) if row.result else None,
        error=row.error,
        failures=row.failures,
        due=row.due,
    )
