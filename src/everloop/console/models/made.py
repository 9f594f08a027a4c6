"""How a version was made and what it was measured at, from what was kept of it."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import EverloopError
from everloop.loop.project import Project
from everloop.loop.recipe import Recipe, read_recipe
from everloop.registry.records import ModelVersion

EVALUATION = "evaluation.json"


class Score(msgspec.Struct, frozen=True):
    """A metric on the held-out rows; without an interval where none was kept."""

    value: float | None
    low: float | None = None
    high: float | None = None


class Measured(msgspec.Struct, frozen=True):
    """What the evaluation of a version kept: metrics by name, gates, and how many rows."""

    metrics: dict[str, Score]
    gates: list[dict[str, Any]]
    metric: str | None = None
    rows: int | None = None


def measured_of(project: Project, version: ModelVersion) -> Measured:
    """What its package kept of its evaluation; else its cycle; else its bare metrics."""
    found: dict[str, Any] = {}
    try:
        if digest := version.files.get(EVALUATION):
            found = msgspec.json.decode(project.blobs.get(digest), type=dict[str, Any])
    except (EverloopError, msgspec.MsgspecError):
        found = {}  # the signature's state says that a file is gone
    if not found and version.cycle:
        step = project.cycles.step(version.cycle, "evaluate")
        found = (step.result if step else None) or {}
    try:
        metrics = msgspec.convert(found.get("metrics", {}), dict[str, Score])
        gates = msgspec.convert(found.get("gates", []), list[dict[str, Any]])
        main = msgspec.convert(found.get("metric"), str | None)
        rows = msgspec.convert(found.get("rows"), int | None)
    except msgspec.ValidationError:  # of another version of everloop
        metrics, gates, main, rows = {}, [], None, None
    bare = {name: Score(value) for name, value in version.metrics.items() if name not in metrics}
    return Measured({**metrics, **bare}, gates, main, rows)


def recipe_of(project: Project, version: ModelVersion) -> Recipe | None:
    """What its training run kept of code, environment and choices; None where nothing is."""
    if version.run is None:
        return None
    try:
        return read_recipe(project, version.run)
    except EverloopError:  # a run that is deleted, or whose files lie elsewhere
        return None
