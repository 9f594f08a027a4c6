"""Train: every candidate on the training rows; the best, as ONNX, goes on to the test."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np

from everloop.data.declared import environment_of
from everloop.data.encode import Examples
from everloop.data.schema import Schema
from everloop.evaluate.metrics import Metric, default_metric
from everloop.loop.attributing import attributed
from everloop.loop.recipe import keep_recipe, recipe
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._challenger import schema_of, training_rows
from everloop.loop.steps._fitting import training_rows_of
from everloop.loop.steps._kept import stored, with_state
from everloop.loop.steps._method import (
    around_of,
    choice_of,
    kept_params,
    method_of,
    sound_method,
    spec_of,
)
from everloop.loop.steps._reference import keep_reference
from everloop.loop.steps._streamed import on_all_rows
from everloop.loop.steps._unlabelled import stability
from everloop.loop.steps._whole import on_whole
from everloop.loop.steps.trials import TrialRuns, candidate_run, study_place
from everloop.train.baseline import NAME as BASELINE
from everloop.train.fit import Fitted
from everloop.train.nested import NestedEstimate
from everloop.train.onnx import to_onnx
from everloop.train.policies.fit import fit_policies
from everloop.update.methods import Choice, Made
from everloop.update.methods.rows import TrainingRows


class Train:
    """Fits the candidates, records each as a run, and stores the best one's ONNX model."""

    name = "train"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        schema = schema_of(context)
        if not method_of(choice_of(context)).makes:
            return _proposal(context)
        with ThreadPoolExecutor(1) as beside:  # most fits leave a core something to do
            rows = training_rows(context)
            about = beside.submit(keep_reference, context.project.blobs, rows, schema)
            del rows
            fit = _policy if schema.task == "policy" else _rows
            outcome = fit(context, schema)
            outcome.result["about_training"] = about.result()
        dataset = str(context.results["snapshot"]["dataset"])
        made = recipe(context.project, context.declaration, context.cycle.id, dataset)
        keep_recipe(context.project, outcome.result["run"], made)
        # Only now: until a recipe is kept, a step that is repeated goes on from them.
        shutil.rmtree(_checkpoints(context), ignore_errors=True)
        return outcome


STEP = Train()


def _proposal(context: StepContext) -> Outcome:
    """The stored version that should serve, or why none should; nothing is fitted."""
    choice = choice_of(context)
    method, champion = sound_method(context, choice)
    data = training_rows_of(context)
    made = method.make(data, champion, around_of(context, choice, context.declaration.train))
    told = _told(context, choice, made)
    if made.proposes is None:
        return Outcome(told, End("not_worth_it", made.nothing))
    version = context.project.registry.version(context.declaration.name, made.proposes)
    return Outcome(
        told
        | {
            "version": version.version,
            "algorithm": version.algorithm,
            "run": version.run,
            "metric": data.metric.name,
            "candidates": [],
        }
    )


def _rows(context: StepContext, schema: Schema) -> Outcome:
    choice = choice_of(context)
    method, champion = sound_method(context, choice)
    data, spec = training_rows_of(context), spec_of(context, choice)
    place = study_place(context, spec, data.metric)
    report = TrialRuns(context, place, data.metric)
    around = around_of(
        context,
        choice,
        spec,
        report=report,
        keep=kept_params(context, choice),
        study=place,
        checkpoints=_checkpoints(context),
    )
    made = method.make(data, champion, around)
    nested = None
    if spec.validation.kind == "nested" and around.keep is None and made.on_all:
        nested = data.nested(spec, context.report, place)
    model, made, streamed = _model(context, data, made)
    made, stateless = with_state(made, data, champion if method.keeps_schema else None)
    outcome = _record(context, [*made.fitted, *_baseline(report)], model, data.metric)
    studied = {} if place is None else {"study": place.stem}
    validated = _validated(context, outcome, report, nested, data.metric)
    explained: dict[str, Any] = {}
    if made.onnx is None:
        estimator = made.fitted[0].estimator
        explained |= attributed(context, estimator, schema, data.X)
        explained |= stability(context, data, spec, made.fitted[0])
    method_facts = _told(context, choice, made)
    facts = method_facts | ({"stateless": stateless} if stateless else {})
    notes = [*report.notes, *facts.get("notes", [])]
    facts |= {} if streamed else on_whole(context, spec, made, notes)  # those rows stay away
    said = {"notes": notes} if notes else {}
    return Outcome(outcome.result | studied | streamed | validated | explained | facts | said)


def _model(
    context: StepContext, data: TrainingRows, made: Made
) -> tuple[bytes, Made, dict[str, Any]]:
    """The model's graph; where rows stay where they are, of a fit on all of them."""
    if made.onnx is not None:
        return made.onnx, made, {}
    best = made.fitted[0]
    streamed: dict[str, Any] = {}
    if made.on_all:
        sample, place = Examples(data.X, data.y), _checkpoints(context) / "streamed"
        best, streamed = on_all_rows(context, best, sample, place)
    model = to_onnx(best.estimator, data.schema, data.X)
    return model, replace(made, fitted=[best, *made.fitted[1:]]), streamed


def _told(context: StepContext, choice: Choice, made: Made) -> dict[str, Any]:
    """What the method says of itself, and the digests of what the version shall keep."""
    told: dict[str, Any] = {"method": msgspec.to_builtins(choice), **made.facts}
    if made.notes:
        told["notes"] = list(made.notes)
    if choice.base is not None and (made.descends or method_of(choice).keeps_schema):
        told["parent"] = f"{choice.model or context.declaration.name}/{choice.base}"
    if made.state:
        told["state"] = stored(context, made.state)
    return told


def _checkpoints(context: StepContext) -> Path:
    return context.project.state / "checkpoints" / context.cycle.id


def _validated(
    context: StepContext,
    outcome: Outcome,
    report: TrialRuns,
    nested: NestedEstimate | None,
    metric: Metric,
) -> dict[str, Any]:
    """Which rows chose, and how good the whole choice is where it was asked for."""
    found: dict[str, Any] = {"validation": report.validation} if report.validation else {}
    if nested is None:
        return found
    sign = 1.0 if metric.greater_is_better else -1.0
    estimate: dict[str, float | None] = {"value": sign * nested.value, "low": None, "high": None}
    if nested.low is not None and nested.high is not None:
        ends = sorted((sign * nested.low, sign * nested.high))
        least, most = metric.bounds
        estimate["low"] = ends[0] if least is None else max(least, ends[0])
        estimate["high"] = ends[1] if most is None else min(most, ends[1])
    named = {f"nested_{metric.name}_{name}": value for name, value in estimate.items()}
    known = {name: value for name, value in named.items() if value is not None}
    context.project.runs.log_metrics(outcome.result["run"], known)
    scores = [None if np.isnan(s) else sign * s for s in nested.scores]
    return found | {"nested": estimate | {"scores": scores, "chosen": nested.chosen}}


def _policy(context: StepContext, schema: Schema) -> Outcome:
    """A policy learns in its environment; the rows of the snapshot only show what it looks like."""
    environment = environment_of(context.declaration.data)
    assert environment is not None, "the schema of a policy comes from its environment"
    choice = choice_of(context)
    spec, metric = spec_of(context, choice), default_metric("policy")
    place = study_place(context, spec, metric)
    fitted = fit_policies(
        environment,
        spec,
        seed=context.declaration.loop.seed,
        report=TrialRuns(context, place, metric),
        keep=kept_params(context, choice),
        study=place,
    )
    outcome = _record(context, fitted, to_onnx(fitted[0].estimator, schema), metric)
    return Outcome(outcome.result | ({} if place is None else {"study": place.stem}))


def _baseline(report: TrialRuns) -> list[Fitted]:
    """What knows nothing, as the last line of the table."""
    found = report.baseline
    if found is None:
        return []
    return [Fitted(BASELINE, {"strategy": found["strategy"]}, None, 0.0, found["score"])]


def _record(context: StepContext, fitted: list[Fitted], model: bytes, metric: Metric) -> Outcome:
    best = fitted[0]
    table: list[dict[str, Any]] = []
    for candidate in fitted:
        sign = 1.0 if metric.greater_is_better else -1.0
        score = None if candidate.score is None else sign * candidate.score
        run = _log_run(context, candidate, metric.name, score)
        table.append(
            {
                "algorithm": candidate.name,
                "score": score,
                "run": run,
                "seconds": round(candidate.seconds, 3),
                "params": candidate.params,
            }
        )
    return Outcome(
        {
            "algorithm": best.name,
            "params": best.params,
            "run": table[0]["run"],
            "model": context.project.blobs.put(model),
            "bytes": len(model),
            "metric": metric.name,
            "candidates": table,
        }
        | ({} if best.prepared is None else {"prepared": best.prepared})
    )


def _log_run(context: StepContext, candidate: Fitted, metric: str, score: float | None) -> str:
    """One run a candidate; a step that is repeated writes the same run again."""
    runs = context.project.runs
    run = runs.start(
        context.declaration.name,
        f"cycle {context.cycle.number}: {candidate.name}",
        {"cycle": context.cycle.id, "dataset": context.results["snapshot"]["dataset"]},
        run=candidate_run(context.cycle.id, candidate.name),
    )
    params = {"algorithm": candidate.name, **candidate.params}
    runs.log_params(run, params, replace=True)  # a step that is repeated may search anew
    values = {"fit_seconds": candidate.seconds}
    if score is not None:
        values[f"validation_{metric}"] = score
    runs.log_metrics(run, values)
    runs.finish(run, "FINISHED")
    return run
