"""A rollout that is under way, as the page of its cycle shows it."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.endpoints.trails import Trail, trails_of
from everloop.deploy.rollouts import Rollout
from everloop.loop.project import Project


class Seen(msgspec.Struct, frozen=True):
    """What one version answered in this stage, and how its labels came out."""

    version: int
    role: str
    weight: float
    requests: int
    failed: int
    labelled: int
    wrong: int


class Trial(msgspec.Struct, frozen=True):
    """``findings`` are :class:`~everloop.deploy.guards.Finding` values.

    ``asked`` is a person's word that is about to be done, ``trails`` how the evidence went.
    """

    endpoint: str
    kind: str
    state: str
    stage: int
    id: str
    versions: list[Seen]
    findings: list[dict[str, Any]]
    stages: list[dict[str, Any]]
    asked: str | None
    trails: list[Trail] = []


def read_trial(project: Project, cycle: str) -> Trial | None:
    """The rollout of a cycle while it is under way."""
    found = project.rollouts.of_cycle(cycle)
    return None if found is None or found.over else trial_of(project, found)


def trial_of(project: Project, found: Rollout) -> Trial:
    """A rollout with what its versions answered in this stage."""
    wish = found.wish
    return Trial(
        endpoint=found.endpoint,
        kind=found.spec.kind,
        state=found.state,
        stage=found.stage + 1,
        id=found.id,
        versions=_versions(project, found),
        findings=found.evidence.findings,
        stages=found.evidence.stages,
        asked=None if wish is None else f"{wish.do} ({wish.words})",
        trails=trails_of(found),
    )


def _versions(project: Project, found: Rollout) -> list[Seen]:
    seen = found.evidence
    return [
        Seen(
            arm.version,
            arm.role,
            arm.weight,
            *seen.requests.get(str(arm.version), (0, 0)),
            *seen.labels.get(str(arm.version), (0, 0)),
        )
        for arm in project.endpoints.get(found.endpoint).arms
    ]
