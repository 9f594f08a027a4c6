"""Following a cycle that runs elsewhere, by what is recorded of it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from everloop.loop.cycles import Cycle, Step

Progress = Callable[[str, dict[str, Any]], None]


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
        cycle, steps = read()
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
        if polls % 10 == 0 and orphaned():
            return cycle
