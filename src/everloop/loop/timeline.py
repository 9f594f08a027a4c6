"""A cycle along its time: when each step began, how long it took, and what it waited for."""

from __future__ import annotations

import msgspec

from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle


class Span(msgspec.Struct, frozen=True):
    """One step of the plan; one that has not begun is ``planned``, or ``not_reached`` in the end.

    ``seconds`` counts on while it runs, ``waited`` is the time since the step before it had ended.
    ``after`` and ``share`` are where it begins and how long it is, as parts of the cycle's time
    from 0 to 1. ``started`` is that of the last of its ``attempts``.
    """

    step: str
    state: str
    attempts: int = 0
    started: int | None = None
    seconds: float | None = None
    waited: float = 0.0
    after: float = 0.0
    share: float = 0.0
    error: str | None = None


def timeline(cycle: Cycle, steps: list[Step], now: int) -> list[Span]:
    """The steps in the order of the plan; ``now`` (ms) is where what goes on ends."""
    known = {step.step: step for step in steps}
    names = [*cycle.plan, *(name for name in known if name not in cycle.plan)]
    spans, before = [], cycle.started
    for name in names:
        if name not in known:
            spans.append(Span(name, "not_reached" if cycle.finished else "planned"))
            continue
        spans.append(_span(known[name], cycle, before, now))
        before = known[name].finished or now
    return spans


def _span(step: Step, cycle: Cycle, before: int, now: int) -> Span:
    waits = cycle.state == "waiting" and step.state == "running"
    whole = max((cycle.finished or now) - cycle.started, 1)
    took = max((step.finished or now) - step.started, 0)
    return Span(
        step=step.step,
        state="waiting" if waits else step.state,
        attempts=step.attempts,
        started=step.started,
        seconds=took / 1000,
        waited=max(step.started - before, 0) / 1000,
        after=min(max(step.started - cycle.started, 0) / whole, 1.0),
        share=min(took / whole, 1.0),
        error=step.error,
    )
