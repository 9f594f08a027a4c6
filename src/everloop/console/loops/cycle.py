"""A cycle's page: its steps, how long each took, and what the verdict rests on."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.endpoints.rollout import Trial, read_trial
from everloop.console.words import step_words
from everloop.loop.approving import waits_for
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.loop.realised import read_realised
from everloop.loop.replaying import Replayed, replay
from everloop.loop.timeline import Span, timeline
from everloop.store.clock import now_ms
from everloop.update.approval import Word
from everloop.update.realised import Realised


class StepLine(msgspec.Struct, frozen=True):
    """One step of the plan along the cycle's time, what it did, and the end of what it said."""

    span: Span
    said: str = ""
    log: str = ""


class Evidence(msgspec.Struct, frozen=True):
    """What was seen and measured. Metrics are ``{value, low, high, n}`` by name.

    ``alerts`` are those that made the cycle begin, ``probe`` a
    :class:`~everloop.update.worth.Worth` and ``weighed`` what it came to; ``method`` is a
    :class:`~everloop.update.methods.Choice`, ``tried`` the table of
    :class:`~everloop.update.auto.Tried` that it was chosen from.
    """

    alerts: list[dict[str, Any]]
    probe: dict[str, Any] | None
    weighed: dict[str, Any] | None
    method: dict[str, Any] | None
    tried: list[dict[str, Any]]
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
    study: str | None = None


class Neighbour(msgspec.Struct, frozen=True):
    """The loop's cycle before or after this one."""

    id: str
    number: int


class CyclePage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/cycles/ID.json``; ``brought`` is the realised gain in words."""

    at: int
    cycle: Cycle
    seconds: float
    steps: list[StepLine]
    evidence: Evidence
    older: Neighbour | None
    newer: Neighbour | None
    trial: Trial | None = None
    realised: Realised | None = None
    brought: str = ""
    replayed: Replayed | None = None
    waits: str = ""  # for whom, in a clause
    words: list[Word] = []  # what people said


def read_cycle(project: Project, cycle_id: str, again: bool = False) -> CyclePage:
    """With ``again`` its decisions are made once more, from what was recorded.

    Raises :class:`~everloop.errors.NotFound`, and :class:`~everloop.errors.Conflict` where there is
    nothing to decide again.
    """
    cycle = project.cycles.get(cycle_id)
    steps = project.cycles.steps(cycle.id)
    beside = project.cycles.page(cycle.loop, before=cycle.number + 2, limit=3)
    now = now_ms()
    results = {step.step: step.result or {} for step in steps}
    realised, logs = read_realised(cycle), project.step_logs.of(cycle.id)
    decision = project.decisions.of(cycle.id)
    return CyclePage(
        at=now,
        cycle=cycle,
        seconds=((cycle.finished or now) - cycle.started) / 1000,
        steps=[
            StepLine(span, step_words(s, results.get(s, {})), logs.get(s, ""))
            for span in timeline(cycle, steps, now)
            for s in (span.step,)
        ],
        evidence=_evidence(results, cycle),
        older=_neighbour(beside, cycle.number - 1),
        newer=_neighbour(beside, cycle.number + 1),
        trial=None if cycle.finished else read_trial(project, cycle.id),
        realised=realised,
        brought=realised.sentence() if realised is not None else "",
        replayed=replay(cycle, steps) if again else None,
        waits=waits_for(cycle, decision),
        words=[] if decision is None else decision.words,
    )


def _method(results: dict[str, dict[str, Any]], cycle: Cycle) -> dict[str, Any] | None:
    """How the model is made; None in a cycle that makes none, or that had no choice."""
    said = results.get("train", {}).get("method") or results.get("probe", {}).get("method")
    return said or cycle.cause.get("method")


def _neighbour(cycles: list[Cycle], number: int) -> Neighbour | None:
    return next((Neighbour(c.id, c.number) for c in cycles if c.number == number), None)


def _evidence(results: dict[str, dict[str, Any]], cycle: Cycle) -> Evidence:
    tested = results.get("evaluate") or results.get("retest") or {}
    snapshot = results.get("snapshot", {})
    trained = results.get("train", {})
    situation = cycle.cause.get("situation")
    return Evidence(
        alerts=(situation.get("alerts") or []) if isinstance(situation, dict) else [],
        probe=results.get("probe", {}).get("worth"),
        weighed=results.get("probe", {}).get("weighed"),
        method=_method(results, cycle),
        tried=results.get("probe", {}).get("tried") or [],
        metric=tested.get("metric"),
        rows=tested.get("rows"),
        metrics=tested.get("metrics") or {},
        champion=tested.get("champion"),
        champion_metrics=tested.get("champion_metrics") or {},
        comparison=tested.get("comparison"),
        gates=tested.get("gates") or [],
        candidates=trained.get("candidates") or [],
        rollout=results.get("deploy", {}).get("steps") or [],
        dataset=snapshot.get("dataset"),
        referred=snapshot.get("referred"),
        notes=[n for step in (snapshot, trained, tested) for n in step.get("notes") or []],
        report=bool(tested.get("report")),
        study=trained.get("study"),
    )
