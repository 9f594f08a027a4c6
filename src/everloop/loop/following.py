"""Following a cycle that runs elsewhere, by what is recorded of it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar

from everloop.errors import Unavailable
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle
from everloop.repeats import Repeats

log = logging.getLogger("everloop.loop")
T = TypeVar("T")
Progress = Callable[[str, dict[str, Any]], None]
AWAY_SECONDS = 300.0  # that the database may be away under who only looks on
AGAIN_SECONDS = 0.5


def when_there(read: Callable[[], T], away: float = AWAY_SECONDS) -> T:
    """What ``read`` answers as soon as the database does: the cycle waits for it too.

    Raises what ``read`` raises, of the database's absence only after ``away`` seconds.
    """
    says, until = Repeats(log), time.monotonic() + away
    while True:
        try:
            return read()
        except Unavailable as error:
            if error.code != "database_unavailable" or time.monotonic() >= until:
                raise
            says.warning(f"{error.message} Looking again until it is there.")
        time.sleep(AGAIN_SECONDS)


def follow(
    read: Callable[[], tuple[Cycle, list[Step]]],
    on_progress: Progress | None,
    poll: float,
    orphaned: Callable[[], bool] = lambda: False,
) -> Cycle:
    """Read every ``poll`` seconds until the cycle is finished or waits; tell each step once.

    ``orphaned``, asked every tenth time, says that nobody runs the cycle; it is returned then too.
    """
    polls = 0
    told: set[tuple[str, str, int]] = set()
    while True:
        cycle, steps = when_there(read)
        for step in steps:
            mark = (step.step, step.state, step.attempts)
            if on_progress is not None and mark not in told:
                told.add(mark)
                facts = {"cycle": cycle.id, "step": step.step, "state": step.state}
                on_progress("step", {**facts, "result": step.result or {}})
        if cycle.finished is not None or cycle.state == "waiting":
            return cycle
        time.sleep(poll)
        polls += 1
        if polls % 10 == 0 and when_there(orphaned):
            return cycle
