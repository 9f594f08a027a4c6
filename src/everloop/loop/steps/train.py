"""Train: every candidate on the training rows; the best, as ONNX, goes on to the test."""

from __future__ import annotations

import shutil
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.declared import environment_of
from everloop.data.encode import encode_batches
from everloop.data.schema import Schema
from everloop.data.splits import group_codes, groups_of
from everloop.errors import invalid
from everloop.evaluate.costs import metric_of
from everloop.evaluate.metrics import Metric, default_metric
from everloop.loop.recipe import keep_recipe, recipe
from everloop.loop.steps._base import Outcome, StepContext
from everloop.loop.steps._challenger import schema_of
from everloop.loop.steps.trials import TrialRuns, candidate_run, study_place
from everloop.train.baseline import NAME as BASELINE
from everloop.train.fit import Fitted, fit_candidates
from everloop.train.onnx import to_onnx
from everloop.train.policies.fit import fit_policies
from everloop.train.spec import SearchSpec, TrainSpec


class Train:
    """Fits the candidates, records each as a run, and stores the best one's ONNX model."""

    name = "train"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        schema = schema_of(context)
        if schema.task == "policy":
            return _policy(context, schema)
        snapshot = context.results["snapshot"]
        rows = int(snapshot["train_rows"])
        batches = context.project.datasets.batches(snapshot["dataset"], rows)
        data = encode_batches(batches, rows, schema)
        if not schema.numeric and len(np.unique(data.y)) < 2:
            raise invalid(schema.target, "one class in the training rows", "two or more classes")
        metric = metric_of(context.declaration.evaluate, schema)
        spec = _spec(context)
        place = study_place(context, spec, metric)
        report = TrialRuns(context, place, metric)
        checkpoints = context.project.state / "checkpoints" / context.cycle.id
        fitted = fit_candidates(
            data.X,
            data.y,
            schema,
            spec,
            score=metric.score,
            seed=context.declaration.loop.seed,
            report=report,
            time_ordered=schema.time is not None,
            together=_together(context, rows),
            keep=(context.cycle.cause.get("keep") or {}).get("params"),
            study=place,
            checkpoints=checkpoints,
            groups=_groups(context, schema, rows),
        )
        model = to_onnx(fitted[0].estimator, schema, data.X)
        outcome = _record(context, [*fitted, *_baseline(report)], model, metric)
        made = recipe(
            context.project, context.declaration, context.cycle.id, str(snapshot["dataset"])
        )
        keep_recipe(context.project, outcome.result["run"], made)
        shutil.rmtree(checkpoints, ignore_errors=True)
        return outcome


STEP = Train()


def _together(context: StepContext, rows: int) -> np.ndarray | None:
    """Which training rows are of one group, as the test rows are chosen by groups too."""
    group_by = context.declaration.evaluate.group_by
    if group_by is None:
        return None
    column = _columns(context, rows, group_by)
    return groups_of(column, group_by) if group_by in column.columns else None


def _groups(context: StepContext, schema: Schema, rows: int) -> np.ndarray | None:
    """Which training rows are ranked together."""
    if schema.task != "ranking":
        return None
    if schema.group is None:
        raise invalid(
            "data.group",
            "<nothing>",
            "the column whose rows are ranked together",
            code="missing_key",
        )
    return group_codes(_columns(context, rows, schema.group)[schema.group])


def _columns(context: StepContext, rows: int, *names: str) -> pl.DataFrame:
    """Those columns of the training rows that the snapshot has; never all of them at once."""
    dataset = context.results["snapshot"]["dataset"]
    parts = context.project.datasets.batches(dataset, rows)
    return pl.concat([part.select(n for n in names if n in part.columns) for part in parts])


def _policy(context: StepContext, schema: Schema) -> Outcome:
    """A policy learns in its environment; the rows of the snapshot only show what it looks like."""
    environment = environment_of(context.declaration.data)
    assert environment is not None, "the schema of a policy comes from its environment"
    fitted = fit_policies(
        environment,
        _spec(context),
        seed=context.declaration.loop.seed,
        report=context.report,
        keep=(context.cycle.cause.get("keep") or {}).get("params"),
    )
    return _record(context, fitted, to_onnx(fitted[0].estimator, schema), default_metric("policy"))


def _spec(context: StepContext) -> TrainSpec:
    """An update keeps the champion's algorithm and parameters; else all candidates compete."""
    kept = context.cycle.cause.get("keep")
    if kept:
        only = (str(kept["algorithm"]),)
        train = context.declaration.train
        return msgspec.structs.replace(train, candidates=only, search=SearchSpec(), space={})
    return context.declaration.train


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
