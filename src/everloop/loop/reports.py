"""The files of a version's report, as they lie in its package."""

from __future__ import annotations

from everloop.errors import NotFound, invalid
from everloop.loop.project import Project
from everloop.registry.models import ModelVersion

FILES = {"html": "report.html", "json": "report.json", "card": "model_card.md"}


def report_file(project: Project, version: ModelVersion, kind: str = "json") -> bytes:
    """A file of a version's report: ``html``, ``json`` or the model ``card``.

    Raises :class:`~everloop.errors.NotFound` for a version that has none.
    """
    digest = version.files.get(_name(kind))
    if digest is None:
        raise NotFound(
            f"version {version.version} of {version.model}: has no report.",
            path="version",
            fix="Versions that everloop run or train makes have one.",
        )
    return project.blobs.get(digest)


def cycle_report(project: Project, cycle: str, kind: str = "json") -> bytes:
    """The same of a cycle, also of one whose model was refused.

    Raises :class:`~everloop.errors.NotFound` for a cycle that made none.
    """
    name = _name(kind)
    found = project.cycles.get(cycle)
    step = project.cycles.step(found.id, "evaluate")
    digest = ((step.result if step is not None else None) or {}).get("report", {}).get(name)
    if digest is None:
        raise NotFound(f"cycle {found.number} of {found.loop}: made no report.", path="cycle")
    return project.blobs.get(str(digest))


def _name(kind: str) -> str:
    if kind not in FILES:
        raise invalid("as", kind, f"one of {', '.join(FILES)}")
    return FILES[kind]
