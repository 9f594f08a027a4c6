"""Runs one step of one cycle: the one place where a step meets its context."""

from __future__ import annotations

import importlib
import threading

from everloop.loop.cycles import Cycle
from everloop.loop.fallbacks import without
from everloop.loop.project import Project
from everloop.loop.steps import (
    CONTROLLER_STEPS,
    MODULES,
    Outcome,
    Report,
    Step,
    StepContext,
    silent,
)
from everloop.store.incoming import disk_full


def needs_worker(project: Project, cycle: Cycle) -> bool:
    """Whether a step that is left runs in the worker; starting that costs seconds of imports."""
    done = {s.step for s in project.cycles.steps(cycle.id) if s.state == "done"}
    return not CONTROLLER_STEPS.issuperset(set(cycle.plan) - done)


def run_step(
    project: Project,
    cycle_id: str,
    name: str,
    report: Report = silent,
    stop: threading.Event | None = None,
) -> Outcome:
    """Run a step in this process and return its outcome; the caller records it.

    A step that waits for something raises ``Interrupted`` once ``stop`` is set. A disk without
    room, wherever the step meets it, is :class:`~everloop.errors.Unavailable` (``disk_full``).
    """
    cycle = project.cycles.get(cycle_id)
    step: Step = importlib.import_module(MODULES[name]).STEP
    context = StepContext(
        project=project,
        cycle=cycle,
        declaration=without(project.cycles.declaration(cycle.loop), cycle.cause.get("drop", [])),
        results={
            s.step: s.result or {} for s in project.cycles.steps(cycle_id) if s.state == "done"
        },
        report=report,
        stop=stop or threading.Event(),
    )
    with disk_full():
        return step.run(context)
