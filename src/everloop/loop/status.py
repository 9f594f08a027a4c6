"""Where a loop stands now: one value that the command line, HTTP and the console all show."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import NotFound
from everloop.loop.approving import waits_for
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.realised import read_realised
from everloop.registry.models import ModelVersion
from everloop.update.situation import Paused

# The stage of the life cycle that each step of a cycle belongs to.
STAGES = ("train", "test", "deploy", "monitor", "update")
STAGE_OF_STEP = {
    "probe": "update",
    "snapshot": "train",
    "train": "train",
    "evaluate": "test",
    "retest": "test",
    "register": "test",
    "approve": "deploy",
    "deploy": "deploy",
    "promote": "deploy",
}


RECENT = 10  # cycles, among which the newest promotion is looked for


class VersionSummary(msgspec.Struct, frozen=True):
    """A version and what it was measured at on its held-out rows."""

    version: int
    algorithm: str
    metric: str | None
    value: float | None
    low: float | None
    high: float | None
    created: int


class LoopStatus(msgspec.Struct, frozen=True):
    """``stage`` is one of :data:`STAGES`; ``step`` the step under way, if any.

    ``waiting`` is the cycle that waits for people, ``waits`` for whom in a clause, ``realised``
    says what the newest promotion has gained as far as labels tell. ``endpoint`` holds the arms of
    the rollout as :class:`everloop.deploy.state.Arm` values.
    """

    loop: str
    stage: str
    step: str | None
    champion: VersionSummary | None
    challenger: VersionSummary | None
    endpoint: str
    arms: list[dict[str, Any]]
    serving: bool
    last_cycle: Cycle | None
    waiting: str | None
    alerts: int
    paused: Paused | None = None
    realised: str = ""
    waits: str = ""


def read_status(project: Project, declaration: Declaration) -> LoopStatus:
    """Read a loop's status from the stores; a handful of short queries."""
    latest = project.cycles.page(declaration.name, limit=RECENT)
    cycle = latest[0] if latest else None
    step = _step_under_way(project, cycle)
    waiting = cycle is not None and cycle.state == "waiting"
    asked = project.decisions.of(cycle.id) if cycle is not None and waiting else None
    return LoopStatus(
        loop=declaration.name,
        stage=stage_of(cycle is not None, step),
        step=step,
        champion=_summary(project, declaration.name, "champion"),
        challenger=_summary(project, declaration.name, "challenger"),
        endpoint=declaration.endpoint,
        arms=_arms(project, declaration.endpoint),
        serving=project.serving() is not None,
        last_cycle=cycle,
        waiting=cycle.id if cycle is not None and waiting else None,
        waits=waits_for(cycle, asked) if cycle is not None else "",
        paused=project.pauses.of(declaration.name),
        realised=_realised(latest),
        alerts=len(project.windows.alerts(endpoint=declaration.endpoint, limit=100)),
    )


def _step_under_way(project: Project, cycle: Cycle | None) -> str | None:
    if cycle is None or cycle.finished is not None:
        return None
    done = {s.step for s in project.cycles.steps(cycle.id) if s.state == "done"}
    return next((name for name in cycle.plan if name not in done), None)


def _realised(cycles: list[Cycle]) -> str:
    """What the newest promotion of those gained; empty before a label tells."""
    for cycle in cycles:
        if cycle.verdict == "promoted":
            found = read_realised(cycle)
            known = found is not None and found.gain is not None
            return found.sentence() if found is not None and known else ""
    return ""


def stage_of(begun: bool, step: str | None) -> str:
    """The stage of a loop that has ``begun`` a cycle, with the step under way if there is one."""
    if not begun:
        return "train"
    return STAGE_OF_STEP.get(step, "deploy") if step else "monitor"


def _summary(project: Project, model: str, alias: str) -> VersionSummary | None:
    number = project.registry.alias(model, alias)
    return None if number is None else summarise(project, project.registry.version(model, number))


def summarise(project: Project, version: ModelVersion) -> VersionSummary:
    """A version with its main metric and that metric's interval."""
    made = project.cycles.step(version.cycle or "", "evaluate")
    tested = (made.result or {}) if made is not None else {}
    metric = tested.get("metric")
    estimate = tested.get("metrics", {}).get(metric, {})
    return VersionSummary(
        version=version.version,
        algorithm=version.algorithm or "unknown",
        metric=metric,
        value=estimate.get("value"),
        low=estimate.get("low"),
        high=estimate.get("high"),
        created=version.created,
    )


def _arms(project: Project, endpoint: str) -> list[dict[str, Any]]:
    try:
        found = project.endpoints.get(endpoint)
    except NotFound:
        return []
    return [msgspec.to_builtins(arm) for arm in found.arms]
