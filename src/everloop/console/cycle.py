"""A cycle's page: its steps, how long each took, and what the verdict rests on."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.rollout import Trial, read_trial
from everloop.console.words import step_words
from everloop.loop.cycles import Cycle, Step
from everloop.loop.project import Project
from everloop.store.clock import now_ms


class StepLine(msgspec.Struct, frozen=True):
    """One step of the plan; one that has not begun is ``planned``, or ``not_reached`` in the end.

    ``seconds`` counts on while it runs; ``share`` is its part of the cycle's time, 0 to 1.
    """

    step: str
    state: str
    attempts: int = 0
    seconds: float | None = None
    share: float = 0.0
    said: str = ""
    error: str | None = None


class Evidence(msgspec.Struct, frozen=True):
    """What was seen and measured. Metrics are ``{value, low, high, n}`` by name.

    ``alerts`` are those that made the cycle begin, ``probe`` a
    :class:`~everloop.update.worth.Worth`.
    """

    alerts: list[dict[str, Any]]
    probe: dict[str, Any] | None
    metric: str | None
    rows: int | None
    metrics: dict[str, dict[str, Any]]
    champion: int | None
    champion_metrics: dict[str, dict[str, Any]]
    comparison: dict[str, Any] | None
    gates: list[dict[str, Any]]
    candidates: list[dict[str, Any]]
    rollout: list[dict[str, Any]]
    dataset: str | None
    referred: dict[str, Any] | None
    notes: list[str]
    report: bool = False


class Neighbour(msgspec.Struct, frozen=True):
    """The loop's cycle before or after this one."""

    id: str
    number: int


class CyclePage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/cycles/ID.json``."""

    at: int
    cycle: Cycle
    seconds: float
    steps: list[StepLine]
    evidence: Evidence
    older: Neighbour | None
    newer: Neighbour | None
    trial: Trial | None = None


def read_cycle(project: Project, cycle_id: str) -> CyclePage:
    """Raises :class:`~everloop.errors.NotFound`."""
    cycle = project.cycles.get(cycle_id)
    steps = project.cycles.steps(cycle.id)
    beside = project.cycles.page(cycle.loop, before=cycle.number + 2, limit=3)
    now = now_ms()
    known = {step.step: step for step in steps}
    names = [*cycle.plan, *(name for name in known if name not in cycle.plan)]
    return CyclePage(
        at=now,
        cycle=cycle,
        seconds=((cycle.finished or now) - cycle.started) / 1000,
        steps=[
            _line(known[name], cycle, now)
            if name in known
            else StepLine(name, "not_reached" if cycle.finished else "planned")
            for name in names
        ],
        evidence=_evidence({step.step: step.result or {} for step in steps}, cycle),
        older=_neighbour(beside, cycle.number - 1),
        newer=_neighbour(beside, cycle.number + 1),
        trial=None if cycle.finished else read_trial(project, cycle.id),
    )


def _neighbour(cycles: list[Cycle], number: int) -> Neighbour | None:
    return next((Neighbour(c.id, c.number) for c in cycles if c.number == number), None)


def _line(step: Step, cycle: Cycle, now: int) -> StepLine:
    waits = cycle.state == "waiting" and step.state == "running"
    spent = max((cycle.finished or now) - cycle.started, 1)
    took = max((step.finished or now) - step.started, 0)
    return StepLine(
        step=step.step,
        state="waiting" if waits else step.state,
        attempts=step.attempts,
        seconds=took / 1000,
        share=min(took / spent, 1.0),
        said=step_words(step.step, step.result or {}),
        error=step.error,
    )


def _evidence(results: dict[str, dict[str, Any]], cycle: Cycle) -> Evidence:
    tested = results.get("evaluate") or results.get("retest") or {}
    snapshot = results.get("snapshot", {})
    situation = cycle.cause.get("situation")
    return Evidence(
        alerts=(situation.get("alerts") or []) if isinstance(situation, dict) else [],
        probe=results.get("probe", {}).get("worth"),
        metric=tested.get("metric"),
        rows=tested.get("rows"),
        metrics=tested.get("metrics") or {},
        champion=tested.get("champion"),
        champion_metrics=tested.get("champion_metrics") or {},
        comparison=tested.get("comparison"),
        gates=tested.get("gates") or [],
        candidates=results.get("train", {}).get("candidates") or [],
        rollout=results.get("deploy", {}).get("steps") or [],
        dataset=snapshot.get("dataset"),
        referred=snapshot.get("referred"),
        notes=[*(snapshot.get("notes") or []), *(tested.get("notes") or [])],
        report=bool(tested.get("report")),
    )
