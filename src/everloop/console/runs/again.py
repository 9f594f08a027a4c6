"""Whether a run's model can be trained again, and what came of it before."""

from __future__ import annotations

import msgspec

from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.tracking.records import Run

LOOKED_AT = 100  # cycles of the loop, the newest


class Reproduction(msgspec.Struct, frozen=True):
    """A cycle that trained the run again; ``verdict`` is None while it is under way."""

    cycle: str
    number: int
    started: int
    verdict: str | None
    reason: str | None


class Again(msgspec.Struct, frozen=True):
    """The loop that can train the run again, and the times that it did, the newest first."""

    loop: str
    done: list[Reproduction]


def read_again(project: Project, run: Run) -> Again | None:
    """None for a run that no cycle's training made, or that is deleted."""
    key = run.tags.get("cycle", "")
    if not key or run.deleted is not None:
        return None
    try:
        loop = project.cycles.get(key).loop
    except NotFound:
        return None
    trained = project.cycles.step(key, "train")
    if trained is None or trained.state != "done":
        return None
    done = [
        Reproduction(one.id, one.number, one.started, one.verdict, one.reason)
        for one in project.cycles.page(loop, limit=LOOKED_AT)
        if one.cause["kind"] == "reproduce" and one.cause["run"] == run.id
    ]
    return Again(loop, done)
