"""Trying a step again: after its process died, and while what it needs is away.

What stopped a step is recorded, with the time of the next attempt, so that a restart neither
forgets how often it failed nor begins at once. Waits are by a clock that nobody sets.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeVar

from everloop.durations import seconds
from everloop.errors import Unavailable
from everloop.loop.cycle_steps import Step
from everloop.loop.executors import WORKER_LOG, Task, WorkerLost
from everloop.loop.holding import Run
from everloop.loop.running import run_step
from everloop.loop.step_logs import listening
from everloop.loop.steps import CONTROLLER_STEPS, Interrupted, Outcome, Report
from everloop.sizes import size
from everloop.store.clock import now_ms
from everloop.train.spec import LimitSpec

if TYPE_CHECKING:
    from everloop.loop.engine import Engine

log = logging.getLogger("everloop.engine")
T = TypeVar("T")

AWAY_SECONDS = 30.0  # between two attempts at most, while something is away
AWAY_ATTEMPTS = 120  # about an hour
DIED_SECONDS = 300.0  # the same after a process died, which doubles slower and starts at 2 s


def patiently(stop: threading.Event, action: Callable[[], T]) -> T:
    """Do what only needs the database, as soon as that answers.

    Raises :class:`Interrupted` once ``stop`` is set.
    """
    for pause in pauses():
        try:
            return action()
        except Unavailable as error:
            log.warning("%s Trying again in %g s.", error.message, pause)
            if stop.wait(pause):
                raise Interrupted from None
    raise AssertionError("pauses never end")


def try_step(engine: Engine, run: Run, cycle: str, name: str, position: int) -> Outcome:
    """Run a step to its outcome, however often it takes.

    Raises what the step raises; the last :class:`WorkerLost` after ``train.limits.attempts`` of
    them in which no trial of a search came to its end; :class:`~everloop.errors.Unavailable` of
    what stays away; and :class:`Interrupted`.
    """
    store = engine.project.cycles
    limits = patiently(run.stop, lambda: store.declaration(store.get(cycle).loop).train.limits)
    away = 0
    for pause in pauses():
        before = patiently(run.stop, lambda: store.step(cycle, name))
        _rest(run, before)
        patiently(run.stop, lambda: store.begin_step(cycle, name, position))
        engine.report("step", {"cycle": cycle, "step": name, "state": "running"})
        failures, heard = before.failures if before else 0, _Heard(engine.report)
        try:
            return _once(engine, run, cycle, name, limits, heard)
        except WorkerLost as lost:
            if run.stop.is_set():
                raise Interrupted from None  # it was ended by us: record nothing
            died = 1 if heard.trials else failures + 1
            if died >= limits.attempts:
                times = "once" if died == 1 else f"{died} times"
                raise WorkerLost(f"{lost.message} It was tried {times}.") from None
            _delay(engine, cycle, name, lost, min(2.0 * 4 ** (died - 1), DIED_SECONDS), died)
        except Unavailable as error:
            away += 1
            if away >= AWAY_ATTEMPTS:
                raise
            _delay(engine, cycle, name, error, pause, failures)
    raise AssertionError("pauses never end")


class _Heard:
    """Passes on what a step reports, and counts the trials that came to an end."""

    def __init__(self, onward: Report) -> None:
        self.onward, self.trials = onward, 0

    def report(self, stage: str, facts: dict[str, Any]) -> None:
        self.trials += stage == "trial"
        self.onward(stage, facts)


def _delay(
    engine: Engine, cycle: str, name: str, error: Unavailable, pause: float, failures: int
) -> None:
    log.warning("step %s waits: %s Trying again in %g s.", name, error.message, pause)
    with suppress(Unavailable):  # the very place where it would be noted may be full or away
        engine.project.cycles.delay_step(cycle, name, error.message, pause, failures=failures)


def pauses() -> Iterator[float]:
    """Seconds to wait, one attempt after another: half a second, and twice as long each time."""
    pause = 0.5
    while True:
        yield pause
        pause = min(pause * 2, AWAY_SECONDS)


def _rest(run: Run, before: Step | None) -> None:
    """Wait until a delayed step is due; no longer than a delay can be, whatever the clock says."""
    if before is not None and before.state == "delayed" and before.due is not None:
        left = min(max(before.due - now_ms(), 0) / 1000, DIED_SECONDS)
        if run.stop.wait(left):
            raise Interrupted


def _once(
    engine: Engine, run: Run, cycle: str, name: str, limits: LimitSpec, heard: _Heard
) -> Outcome:
    project = engine.project
    with listening(
        project.step_logs, cycle, name, heard.report, project.state / WORKER_LOG
    ) as report:
        return _ran(engine, run, cycle, name, limits, report)


def _ran(
    engine: Engine, run: Run, cycle: str, name: str, limits: LimitSpec, report: Report
) -> Outcome:
    if name in CONTROLLER_STEPS:
        return run_step(engine.project, cycle, name, report, run.stop)
    task = Task(
        cycle=cycle,
        step=name,
        lease=run.lease,
        seconds=seconds(limits.time),
        megabytes=size(limits.memory) / 1e6 if limits.memory else None,
    )
    return engine.executor.run(task, report)
