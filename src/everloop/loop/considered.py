"""When an update was last considered, and from what: read off the cycles themselves."""

from __future__ import annotations

from typing import Any

from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion
from everloop.train.spec import ENSEMBLE
from everloop.update.situation import Considered

LOOK_BACK = 50  # cycles
TRAINED = ("promoted", "registered", "rejected", "not_worth_it", "rolled_back", "declined")


def trained_until(project: Project, version: ModelVersion) -> int:
    """Event time (ms) of the newest row that a version was trained or tested on."""
    return int(_snapshot(project, version.cycle or "").get("until", version.created))


def last_considered(
    project: Project, declaration: Declaration
) -> tuple[Considered | None, Considered | None]:
    """The last time an update was considered at all, and the last cycle that trained a model."""
    considered: Considered | None = None
    for cycle in project.cycles.page(declaration.name, limit=LOOK_BACK):
        if cycle.verdict not in TRAINED or cycle.cause["kind"] in ("deploy", "test", "reproduce"):
            continue
        snapshot = _snapshot(project, cycle.id)
        when = _considered(cycle, snapshot)
        considered = considered or when
        if snapshot.get("until") is not None:
            return considered, when
    return considered, None


def _considered(cycle: Cycle, snapshot: dict[str, Any]) -> Considered:
    """An alarm's cycle was considered when it was raised; any other when its data ended."""
    at = cycle.cause.get("at") or snapshot.get("until") or cycle.started
    rows = cycle.cause.get("rows") or snapshot.get("rows") or 0
    return Considered(at=int(at), rows=int(rows), when=cycle.started)


def trainable_rows(project: Project, declaration: Declaration, champion: ModelVersion) -> int:
    """Labelled rows that could train a model now: the source's, and those of sound windows."""
    origin = _snapshot(project, champion.cycle or "").get("origin", {})
    windows = project.windows.since(declaration.endpoint, 0)
    logged = sum(w.labelled for w in windows if not w.quarantined)
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
