"""What a data plane that is started by hand should serve."""

from __future__ import annotations

from pathlib import Path

from everloop.deploy.state import Arm, DesiredState, EndpointState, write_state
from everloop.errors import NotFound
from everloop.loop.project import Project


def served(project: Project, model: str | None = None) -> list[tuple[str, str]]:
    """``(endpoint, versions)`` of what would answer.

    Raises :class:`~everloop.errors.NotFound` when there is nothing to serve.
    """
    if model is not None:
        version = project.registry.resolve(model)
        return [(version.model, str(version.version))]
    found = [
        (e.name, ", ".join(f"{a.version} ({a.role})" for a in e.arms))
        for e in project.endpoints.all()
    ]
    if not found:
        raise NotFound(
            "endpoint: the project has none yet.",
            path="endpoint",
            fix="everloop train DATA.csv makes a model to serve.",
        )
    return found


def pin(project: Project, model: str, port: int) -> Path:
    """A desired state of one version only, for one data plane; returns its file."""
    version = project.registry.resolve(model)
    folder, _ = project.package(version)
    arm = Arm(version=version.version, digest=folder.name)
    rules = project.log_rules().get(version.model)
    expected = project.expected_values().get(version.model, {})
    endpoint = EndpointState(version.model, (arm,), log=rules, expected=expected)
    state = DesiredState(revision=1, endpoints={version.model: endpoint})
    path = project.serving_dir / f"pinned-{port}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_state(path, state)
    return path
