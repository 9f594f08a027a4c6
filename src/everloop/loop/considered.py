"""When an update was last considered, and from what: read off the cycles themselves."""

from __future__ import annotations

import logging
from typing import Any

from everloop.data.sources.fingerprint import fingerprint, has_fingerprint
from everloop.errors import InvalidInput, Unavailable
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.upstream import heard_since
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms
from everloop.train.spec import ENSEMBLE
from everloop.update.budget import Spent, longest
from everloop.update.situation import Around, Considered, Situation, gather

log = logging.getLogger("everloop.loop")
LOOK_BACK = 50  # cycles
TRAINED = ("promoted", "registered", "rejected", "not_worth_it", "rolled_back", "declined")


def trained_until(project: Project, version: ModelVersion) -> int:
    """Event time (ms) of the newest row that a version was trained or tested on."""
    return int(_snapshot(project, version.cycle or "").get("until", version.created))


def last_considered(
    project: Project, declaration: Declaration
) -> tuple[Considered | None, Considered | None, Considered | None]:
    """The last time an update was considered at all; the last cycle that trained a model; and the
    last that did so, or that a calendar or a count began."""
    considered: Considered | None = None
    timed: Considered | None = None
    for cycle in project.cycles.page(declaration.name, limit=LOOK_BACK):
        if cycle.verdict not in TRAINED or cycle.cause["kind"] in ("deploy", "test", "reproduce"):
            continue
        snapshot = _snapshot(project, cycle.id)
        when = _considered(cycle, snapshot)
        considered = considered or when
        if snapshot.get("until") is not None:
            return considered, when, timed or when
        if cycle.cause.get("asked"):
            timed = timed or when
    return considered, None, timed


def _considered(cycle: Cycle, snapshot: dict[str, Any]) -> Considered:
    """An alarm's cycle was considered when it was raised; any other when its data ended."""
    at = cycle.cause.get("at") or snapshot.get("until") or cycle.started
    rows = cycle.cause.get("rows") or snapshot.get("rows") or 0
    source = (snapshot.get("origin") or {}).get("fingerprint")
    return Considered(at=int(at), rows=int(rows), when=cycle.started, source=source)


def around(project: Project, declaration: Declaration, last: Considered | None) -> Around:
    """What a decision looks at beside the windows, as far as the policy asks for it."""
    policy, name = declaration.update, declaration.name
    period = longest(policy.budget)
    newest = project.windows.latest(declaration.endpoint) if period else None
    return Around(
        source=_source_now(project, declaration) if "new data" in policy.when else None,
        heard=heard_since(project.events, name, last.when if last is not None else 0),
        spent=spent_since(project, name, newest.end - period) if newest else (),
        paused=project.pauses.of(name),
        clock=now_ms() if policy.quiet else 0,
    )


def _source_now(project: Project, declaration: Declaration) -> str | None:
    """The source's fingerprint; one that is away for now is no news."""
    if not has_fingerprint(declaration.data):
        return None
    try:
        return fingerprint(declaration.data.source, project.dir)
    except (InvalidInput, Unavailable) as error:
        log.warning("loop %s: %s", declaration.name, error.message)
        return None


def spent_since(project: Project, loop: str, since: int) -> tuple[Spent, ...]:
    """What the cycles after ``since`` (event time, ms) used, oldest first; none is one's own
    deployment or test."""
    recent = project.cycles.page(loop, limit=LOOK_BACK)
    used = project.cycles.heavy_steps([cycle.id for cycle in recent])
    found = []
    for cycle in reversed(recent):
        if cycle.cause["kind"] in ("deploy", "test", "reproduce") or cycle.id not in used:
            continue
        spent = _spent(cycle, used[cycle.id])
        if spent.at > since:
            found.append(spent)
    return tuple(found)


def _spent(cycle: Cycle, steps: dict[str, Step]) -> Spent:
    until = (steps["snapshot"].result or {}).get("until") if "snapshot" in steps else None
    at = cycle.cause.get("at") or until or cycle.started
    lasted = sum((step.finished or step.started) - step.started for step in steps.values())
    return Spent(int(at), lasted / 1000, "train" in steps)


def situation_now(
    project: Project, declaration: Declaration, champion: ModelVersion
) -> Situation | None:
    """Everything a decision looks at now, without a probe; None while no window is over."""
    considered, last_cycle, timed = last_considered(project, declaration)
    return gather(
        project.windows,
        declaration.endpoint,
        trainable_rows(project, declaration, champion),
        considered,
        last_cycle,
        around(project, declaration, considered),
        timed,
    )


def kept(project: Project, champion: ModelVersion) -> dict[str, Any]:
    """What an update keeps of the champion, as a cycle's cause says it."""
    return {"algorithm": champion.algorithm, "params": found_params(project, champion)}


def trainable_rows(project: Project, declaration: Declaration, champion: ModelVersion) -> int:
    """Labelled rows that could train a model now: the source's, and those of sound windows."""
    origin = _snapshot(project, champion.cycle or "").get("origin", {})
    logged = project.windows.labelled(declaration.endpoint)
    return int(origin.get("source_rows", 0)) + logged


def found_params(project: Project, version: ModelVersion) -> dict[str, Any] | None:
    """The parameters that a search found for a version; None where they were the defaults."""
    searched = project.cycles.declaration(version.model).train.search.asked
    searched = searched or version.algorithm == ENSEMBLE  # which has no defaults
    step = project.cycles.step(version.cycle or "", "train") if searched else None
    return dict((step.result or {})["params"]) if step is not None else None


def _snapshot(project: Project, cycle: str) -> dict[str, Any]:
    step = project.cycles.step(cycle, "snapshot")
    return (step.result or {}) if step is not None else {}
