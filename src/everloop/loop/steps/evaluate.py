"""Evaluate: the packaged challenger on held-out rows, beside the champion, through the gates."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import InvalidInput, invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import compare
from everloop.evaluate.costs import costs_of, metric_of
from everloop.evaluate.gates import (
    Evidence,
    bless,
    check_gates,
    chosen_gates,
    peculiarities,
    too_little,
)
from everloop.evaluate.metrics import Estimate, Metric, estimate, get_metric, metric_names
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.answers import PackagedModel
from everloop.loop.fallbacks import as_broken
from everloop.loop.playing import judged_answers, ranked_together, truth
from everloop.loop.reporting import reported
from everloop.loop.served import served_latency_ms
from everloop.loop.steps._base import Outcome, StepContext
from everloop.loop.steps._blessing import write_blessing
from everloop.loop.steps._challenger import challenger, test_rows
from everloop.loop.steps._reference import keep_answers
from everloop.loop.steps._remembered import remembered
from everloop.loop.steps._seen import met_in_window
from everloop.loop.steps._unlabelled import WITHOUT_LABELS, unlabelled_notes
from everloop.loop.steps._verdict import blessed
from everloop.registry.models import ModelVersion

ITSELF = "This version is the champion: there is no other to compare it with."
THREADS = 2  # NumPy sorts and multiplies without holding the interpreter


class Evaluate:
    """Measures the very ONNX model that would be served, never the Python object it came from."""

    name = "evaluate"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        with challenger(context) as model:
            rows, schema = test_rows(context), model.package.schema
            answers = model.answers(rows)
            played = schema.task == "policy"
            judged = judged_answers(model, rows, schema, context.declaration) if played else answers
            with ThreadPoolExecutor(1) as beside:
                about = beside.submit(keep_answers, context.project.blobs, rows, schema, answers)
                outcome = judge(context, model, rows, judged)
            if outcome.end is None:
                outcome.result["about_test"] = about.result()
            if context.proposed is not None:  # it has its report
                return outcome
            return reported(context, model, rows, answers, outcome)


STEP = Evaluate()


def judge(
    context: StepContext, model: PackagedModel, holdout: pl.DataFrame, judged: Answers
) -> Outcome:
    """Metrics with intervals, the comparison with the champion, and every gate's verdict.

    ``judged`` is what :func:`~everloop.loop.playing.judged_answers` says of ``model``.
    """
    spec, schema = context.declaration.evaluate, model.package.schema
    metric = metric_of(spec, schema)
    champion = _other_champion(context)
    answers, unanswered = _champions_answers(context, champion, holdout, schema)
    evidence = _evidence(context, model, holdout, judged, answers)
    if champion is None and context.project.champion(context.declaration.name) is not None:
        evidence = replace(evidence, unopposed=ITSELF)
    known = evidence.labelled
    gates = chosen_gates(spec, schema.task)
    results = [*check_gates(gates, evidence, spec, unanswered), *remembered(context, model)]
    result: dict[str, Any] = {
        **_judged_by(metric, evidence),
        "metrics": _metrics(schema, evidence, spec),
        "gates": [msgspec.to_builtins(r) for r in results],
        "champion": None if champion is None else champion.version,
        "notes": [
            *peculiarities(evidence),
            *unlabelled_notes(context, evidence),
            *_met(context, champion, holdout, schema),
        ],
    }
    if result["metric"] not in result["metrics"]:
        raise _unscored(result["metric"], evidence)
    if schema.task == "policy":
        result["returns"] = [round(float(value), 4) for value in evidence.challenger.pred]
    if answers is not None:
        result["champion_metrics"] = _metrics(schema, evidence.of_champion, spec)
    if known.champion is not None and result["metric"] == metric.name:
        result["comparison"] = msgspec.to_builtins(
            compare(known.bound(metric), known.y, known.challenger, known.champion, known.seed)
        )
    blessing, end = blessed(results, context.cycle.cause["kind"])
    result["blessing"] = write_blessing(context, bless(results), champion)
    result["asks"] = [r.detail for r in blessing.asks]
    return Outcome(result, end)


def _unscored(metric: str, evidence: Evidence) -> InvalidInput:
    alike = evidence.y.ndim == 1 and len(np.unique(evidence.y)) == 1
    why = "which all have one value of the target" if alike else "to which it gives no number"
    return invalid(
        "evaluate.metric",
        metric,
        f"a metric that can score the {len(evidence.y):,} held-out rows, {why}",
        code="unscored",
        fix="Give more rows, hold out more of them (data.split), or name another metric.",
    )


def _judged_by(metric: Metric, evidence: Evidence) -> dict[str, Any]:
    """The metric that stands for the version, and on how many rows of which kind it is known.

    Where too few rows have labels it is the share that is flagged.
    """
    known = evidence.labelled
    if known is evidence:
        unit = "episodes" if evidence.schema.task == "policy" else "held-out rows"
        return {"metric": metric.name, "rows": len(evidence.y), "unit": unit}
    if too_little(metric, known) is None:
        return {"metric": metric.name, "rows": len(known.y), "unit": "labelled held-out rows"}
    return {"metric": WITHOUT_LABELS, "rows": len(evidence.y), "unit": "held-out rows"}


def _evidence(
    context: StepContext,
    model: PackagedModel,
    holdout: pl.DataFrame,
    judged: Answers,
    champion: Answers | None,
) -> Evidence:
    spec, schema = context.declaration.evaluate, model.package.schema
    return Evidence(
        schema=schema,
        frame=holdout,
        y=truth(holdout, schema, context.declaration),
        challenger=judged,
        champion=champion,
        latency=lambda: served_latency_ms(model, holdout),
        ask=lambda rows: judged_answers(model, rows, schema, context.declaration),
        size=model.size,
        leaks=lambda: _leaks(context),
        costs=costs_of(spec, schema),
        groups=ranked_together(holdout, schema),
        seed=context.declaration.loop.seed,
        unit="episodes" if schema.task == "policy" else "rows",
    )


def _leaks(context: StepContext) -> list[tuple[str, str]]:
    """What the snapshot's checks found, in this cycle or the one that made the version."""
    snapshot = context.results.get("snapshot")
    if snapshot is None:
        version = context.project.registry.version(context.declaration.name, context.version)
        step = context.project.cycles.step(version.cycle or "", "snapshot")
        snapshot = (step.result if step is not None else None) or {}
    return [(leak["level"], leak["sentence"]) for leak in snapshot.get("leaks", [])]


def _other_champion(context: StepContext) -> ModelVersion | None:
    """The champion, unless it is the very version that is judged."""
    champion = context.project.champion(context.declaration.name)
    judged = context.cycle.cause.get("version")
    return None if champion is not None and champion.version == judged else champion


def _met(
    context: StepContext, champion: ModelVersion | None, holdout: pl.DataFrame, schema: Schema
) -> list[str]:
    """That the champion knows some of these rows, which flatters it."""
    met = 0 if champion is None else met_in_window(context.project, champion, holdout, schema)
    if champion is None or not met:
        return []
    return [
        f"Version {champion.version} was fitted on {met:,} of these {holdout.height:,} held-out "
        "rows, in its window, and looks better on them than it is; the same window again holds "
        "out later ones."
    ]


def _champions_answers(
    context: StepContext, champion: ModelVersion | None, holdout: pl.DataFrame, schema: Schema
) -> tuple[Answers | None, str | None]:
    """The champion's answers, or why it has none for rows of another shape."""
    if champion is None:
        return None, None
    opponent = PackagedModel.tested(*context.project.package(champion))
    own = opponent.package.schema
    holdout = as_broken(context.project, context.declaration, context.cycle.cause, holdout, own)
    try:
        if (own.task, own.target) == (schema.task, schema.target):
            return judged_answers(opponent, holdout, schema, context.declaration), None
        why = f"it predicts {own.target} ({own.task})"
    except InvalidInput as error:
        why = error.message
    return None, (
        f"version {champion.version} cannot answer these rows: {why} "
        "everloop train makes a version without comparing, and everloop deploy lets it serve"
    )


def _metrics(schema: Schema, evidence: Evidence, spec: EvaluateSpec) -> dict[str, dict[str, Any]]:
    """Every metric of the task; a second name of the same number only where it was asked for."""
    bound = {name: evidence.bound(get_metric(name)) for name in metric_names(schema.task)}
    wanted = {
        name: metric
        for name, metric in bound.items()
        if name == spec.metric or not (metric.same_as or (name == "cost" and spec.cost is None))
    }

    def value(metric: Metric) -> Estimate:
        rows = evidence.labelled if metric.needs_labels else evidence
        answers = rows.challenger
        return estimate(metric, rows.y, answers.pred, answers.proba, rows.seed)

    with ThreadPoolExecutor(THREADS) as pool:
        found = zip(wanted, pool.map(value, wanted.values()), strict=True)
        return {n: msgspec.to_builtins(v) for n, v in found if np.isfinite(v.value)}
