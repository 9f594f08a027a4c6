"""The marker that says whether a version was found good enough."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from everloop.errors import NotFound
from everloop.evaluate.gates import Blessing
from everloop.loop.steps._base import StepContext
from everloop.registry.models import ModelVersion
from everloop.tracking.artifacts.paths import join, key_of

FOLDER = "blessing"


def write_blessing(
    context: StepContext, blessing: Blessing, champion: ModelVersion | None
) -> dict[str, Any]:
    """Write an empty file ``blessing/BLESSED`` or ``blessing/NOT_BLESSED`` below the run.

    Names, values and properties are those of the ModelBlessing that TFX's Evaluator writes, so
    that what waits for one there can wait for ours.
    """
    judged = context.results.get("train", {})
    properties: dict[str, Any] = {"blessed": int(blessing.blessed)}
    version = context.cycle.cause.get("version")
    if version is not None:
        judged = {"run": context.project.registry.version(context.declaration.name, version).run}
        properties["current_model_id"] = version
    if judged.get("run"):
        properties["current_model"] = judged["run"]
    if champion is not None:
        properties |= {"baseline_model": champion.run, "baseline_model_id": champion.version}
    else:
        properties["blessing_message"] = "There is no champion to compare with."
    if judged.get("run"):
        _mark(context, judged["run"], blessing.marker)
    return {**properties, "marker": blessing.marker}


def _mark(context: StepContext, run: str, marker: str) -> None:
    artifacts = context.project.artifacts
    folder = join(key_of(context.project.runs.get(run).location), FOLDER)
    for name in ("BLESSED", "NOT_BLESSED"):
        if name != marker:
            with suppress(NotFound):
                artifacts.delete(join(folder, name))
    artifacts.put(join(folder, marker), b"")
