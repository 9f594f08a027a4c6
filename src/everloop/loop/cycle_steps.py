"""The steps of cycles.

A step's row is written twice, when it begins and when it is done, each in its own transaction with
its event. A step that is ``done`` is never run again: that, and not the engine's own checkpoint, is
what makes a cycle idempotent, since the result lies in the same database as what it describes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import sqlalchemy as sa

from everloop.store.clock import now_ms
from everloop.store.database import Database
from everloop.store.dialect import insert_or_ignore
from everloop.store.tables import cycle_steps
from everloop.store.texts import json_text

HEAVY = ("probe", "snapshot", "train", "evaluate", "register")  # steps that compute


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


class StepStore:
    """The part of a :class:`~everloop.loop.cycles.CycleStore` that is about steps."""

    _db: Database

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

    def delay_step(
        self, cycle: str, step: str, error: str, seconds: float, *, failures: int
    ) -> None:
        """Note why a step did not come to its end, that it is begun again in ``seconds``, and how
        often its process died since it last went on."""
        with self._db.write() as conn:
            conn.execute(
                cycle_steps.update()
                .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
                .where(cycle_steps.c.state != "done")
                .values(
                    state="delayed",
                    error=error,
                    failures=failures,
                    due=now_ms() + int(seconds * 1000),
                )
            )

    def note_step(self, conn: sa.Connection, cycle: str, step: str, result: dict[str, Any]) -> None:
        """Note, in the transaction that does it, what a step that goes on has done already."""
        conn.execute(
            cycle_steps.update()
            .where(cycle_steps.c.cycle == cycle, cycle_steps.c.step == step)
            .where(cycle_steps.c.state != "done")
            .values(result=json_text(result))
        )

    def finish_step(self, cycle: str, step: str, result: dict[str, Any]) -> None:
        self._end_step(cycle, step, state="done", result=json_text(result))

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
