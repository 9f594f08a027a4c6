"""A registered version to an endpoint at once: for models that no loop looks after."""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.deploy.state import Arm
from everloop.errors import invalid
from everloop.loop.project import Project
from everloop.loop.steps._applied import wait_applied
from everloop.registry.names import check_name
from everloop.registry.records import ModelVersion

APPLY_SECONDS = 15.0


class Promoted(msgspec.Struct, frozen=True):
    """``applied`` : whether the data plane answers with it; None when none is running here."""

    model: str
    version: int
    endpoint: str
    revision: int
    applied: bool | None


def promote(reference: str, endpoint: str | None = None, dir: Path | str = ".") -> Promoted:
    """Let the version that ``NAME``, ``NAME@ALIAS`` or ``NAME/3`` means answer at an endpoint.

    It becomes the champion, without a rollout. The endpoint has the model's name unless another
    is given. Raises :class:`~everloop.errors.InvalidInput` when it is another model's.
    """
    with Project.open(dir) as project:
        return promoted(project, project.registry.resolve(reference), endpoint, actor="python")


def promoted(
    project: Project, version: ModelVersion, endpoint: str | None = None, *, actor: str
) -> Promoted:
    """The same in an open project."""
    name = check_name("endpoint", endpoint or version.model)
    arm = Arm(version.version, version.package_digest())
    for known in project.endpoints.all():
        if known.name == name and known.model != version.model:
            raise invalid(
                "endpoint", name, f"one that is not of the model {known.model!r}",
                code="endpoint_taken", fix="Name another with --endpoint.",
            )  # fmt: skip
    project.package(version)  # what is damaged is told before anything changes
    with project.events.transaction() as conn:
        project.registry.set_alias(
            version.model, "champion", version.version, actor=actor, conn=conn, by_rollout=True
        )
        project.endpoints.set_rollout(name, version.model, (arm,), actor=actor, conn=conn)
    revision = project.publish()
    applied = wait_applied(project, revision, APPLY_SECONDS)
    return Promoted(version.model, version.version, name, revision, applied)
