"""What the updates of a loop came to before: read off its own cycles, for the next decision."""

from __future__ import annotations

from itertools import pairwise

from everloop.loop.cycle_steps import HEAVY, Step
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project
from everloop.loop.realised import LOOK_BACK, read_realised
from everloop.update.cost import Experience, Training

TRAINING = tuple(name for name in HEAVY if name != "probe")  # what is still to be paid
OWN = ("deploy", "test", "reproduce")  # causes of cycles that are no update


def experience_of(project: Project, loop: str) -> Experience:
    """What the last cycles took, how their rollouts ended, and what they gained."""
    recent = project.cycles.page(loop, limit=LOOK_BACK)
    steps = project.cycles.heavy_steps([cycle.id for cycle in recent], (*HEAVY, "deploy"))
    updates = [cycle for cycle in recent if cycle.cause["kind"] not in OWN]
    tried = [cycle for cycle in recent if _on_trial(steps.get(cycle.id, {}))]
    failed = [cycle for cycle in tried if cycle.verdict == "rolled_back"]
    realised = [(cycle.number, read_realised(cycle)) for cycle in recent]
    past = [one.past(number) for number, one in realised if one is not None]
    promoted = [
        _event_time(cycle, steps.get(cycle.id, {}))
        for cycle in updates
        if cycle.verdict == "promoted"
    ]
    return Experience(
        updates=tuple(one for one in past if one is not None),
        trained=tuple(
            Training(
                sum(_seconds(found[name]) for name in TRAINING if name in found),
                _method(cycle, found),
            )
            for cycle in updates
            if "train" in (found := steps.get(cycle.id, {}))
        ),
        rollouts=len(tried),
        rolled_back=len(failed),
        on_trial=tuple(_seconds(steps[cycle.id]["deploy"]) / 3600 for cycle in failed),
        lasted=tuple(later - earlier for later, earlier in pairwise(promoted) if later > earlier),
    )


def _method(cycle: Cycle, steps: dict[str, Step]) -> str:
    """Of the loop file, or as the probe chose it."""
    probe = (steps["probe"].result if "probe" in steps else None) or {}
    chosen = cycle.cause.get("method") or probe.get("method") or {}
    return str(chosen.get("name", "retrain"))


def _on_trial(steps: dict[str, Step]) -> bool:
    return "rollout" in ((steps["deploy"].result if "deploy" in steps else None) or {})


def _seconds(step: Step) -> float:
    return ((step.finished or step.started) - step.started) / 1000


def _event_time(cycle: Cycle, steps: dict[str, Step]) -> int:
    snapshot = (steps["snapshot"].result if "snapshot" in steps else None) or {}
    return int(cycle.cause.get("at") or snapshot.get("until") or cycle.started)
