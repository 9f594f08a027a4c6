"""Whether a model that learned on has forgotten: judged on the rows that tested its parent."""

from __future__ import annotations

import msgspec
import polars as pl

from everloop.errors import EverloopError, NotFound
from everloop.evaluate.costs import costs_of, metric_of
from everloop.evaluate.gates import Evidence, GateResult, check_gates
from everloop.evaluate.gates.not_forgotten import NotForgotten
from everloop.loop.answers import PackagedModel
from everloop.loop.playing import ranked_together, truth
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._method import base_of, choice_of, margin_of, method_of
from everloop.registry.models import ModelVersion

MOST = 100_000  # rows, the newest


def remembered(context: StepContext, model: PackagedModel) -> list[GateResult]:
    """The verdict of :class:`~everloop.evaluate.gates.not_forgotten.NotForgotten`, with its words.

    Empty for a method that learns nothing on. No training row is among the rows that judge: such
    a method never replays what tested the parent.
    """
    choice = choice_of(context)
    parent = base_of(context, choice) if method_of(choice).goes_on else None
    if parent is None:
        return []
    spec, schema = context.declaration.evaluate, model.package.schema
    gate = NotForgotten(metric_of(spec, schema), parent.version, margin_of(context))
    try:
        rows = _tested(context, parent)
        evidence = Evidence(
            schema=schema,
            frame=rows,
            y=truth(rows, schema, context.declaration),
            challenger=model.answers(rows),
            champion=PackagedModel.tested(*context.project.package(parent)).answers(rows, schema),
            costs=costs_of(spec, schema),
            groups=ranked_together(rows, schema),
            seed=context.declaration.loop.seed,
        )
        result = check_gates([gate], evidence, spec)[0]
    except EverloopError as error:
        missing = gate.result("not_enough_evidence", f"The rows cannot be asked: {error}")
        result = msgspec.structs.replace(missing, word=spec.on_not_enough_evidence)
    return [msgspec.structs.replace(result, detail=f"Old rows ({gate.where}): {result.detail}")]


def _tested(context: StepContext, parent: ModelVersion) -> pl.DataFrame:
    """The held-out rows of the cycle that made the parent. Raises NotFound when they are gone."""
    step = context.project.cycles.step(parent.cycle or "", "snapshot")
    known = (step.result if step is not None else None) or {}
    first, count = int(known.get("train_rows", 0)), int(known.get("test_rows", 0))
    if not count or parent.dataset is None:
        raise NotFound(f"rows that tested version {parent.version}: nothing says which they were.")
    kept = min(count, MOST)
    return context.project.datasets.load(parent.dataset, first + count - kept, kept)
