"""Evaluate: the packaged challenger on held-out rows, beside the champion, through the gates."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import compare
from everloop.evaluate.gates import Evidence, GateResult, parse_gate
from everloop.evaluate.metrics import default_metric, estimate, get_metric, metric_names
from everloop.loop.answers import PackagedModel
from everloop.loop.playing import judged_answers, truth
from everloop.loop.reporting import reported
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._challenger import challenger, test_rows
from everloop.registry.models import ModelVersion


class Evaluate:
    """Measures the very ONNX model that would be served, never the Python object it came from."""

    name = "evaluate"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        with challenger(context) as model:
            rows = test_rows(context)
            outcome = judge(context, model, rows, model.package.schema)
            return reported(context, model, rows, outcome)


STEP = Evaluate()


def judge(
    context: StepContext, model: PackagedModel, holdout: pl.DataFrame, schema: Schema
) -> Outcome:
    """Metrics with intervals, the comparison with the champion, and every gate's verdict."""
    spec, seed = context.declaration.evaluate, context.declaration.loop.seed
    metric = spec.metric or default_metric(schema.task).name
    y = truth(holdout, schema, context.declaration)
    answers = judged_answers(model, holdout, schema, context.declaration)
    champion = _other_champion(context)
    champion_answers, unanswered = _champions_answers(context, champion, holdout, schema)
    evidence = Evidence(
        schema=schema,
        frame=holdout,
        y=y,
        challenger=answers,
        champion=champion_answers,
        latency=lambda: model.latency_ms(holdout),
    )
    gates = spec.gates if spec.gates is not None else (f"{metric} beats champion",)
    results = [
        GateResult(gate, "not_enough_evidence", None, None, unanswered)
        if unanswered is not None and _is_comparison(gate)
        else parse_gate(gate).check(evidence)
        for gate in gates
    ]
    result: dict[str, Any] = {
        "metric": metric,
        "metrics": _metrics(schema, y, answers, seed),
        "rows": len(y),
        "unit": "episodes" if schema.task == "policy" else "held-out rows",
        "gates": [msgspec.to_builtins(r) for r in results],
        "champion": None if champion is None else champion.version,
    }
    if champion_answers is not None:
        result["champion_metrics"] = _metrics(schema, y, champion_answers, seed)
        result["comparison"] = msgspec.to_builtins(
            compare(get_metric(metric), y, answers, champion_answers, seed)
        )
    # To train is to register: only `run` and `update` ask whether the version is worth it.
    asked = [r for r in results if context.cycle.cause["kind"] != "train" or not _compares(r)]
    return Outcome(result, _end(asked))


def _other_champion(context: StepContext) -> ModelVersion | None:
    """The champion, unless it is the very version that is judged."""
    champion = context.project.champion(context.declaration.name)
    judged = context.cycle.cause.get("version")
    return None if champion is not None and champion.version == judged else champion


def _champions_answers(
    context: StepContext, champion: ModelVersion | None, holdout: pl.DataFrame, schema: Schema
) -> tuple[Answers | None, str | None]:
    """The champion's answers, or why it has none for rows of another shape."""
    if champion is None:
        return None, None
    opponent = PackagedModel(*context.project.package(champion))
    own = opponent.package.schema
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


def _metrics(
    schema: Schema, y: npt.NDArray[Any], answers: Answers, seed: int
) -> dict[str, dict[str, Any]]:
    out = {}
    for name in metric_names(schema.task):
        value = estimate(get_metric(name), y, answers.pred, answers.proba, seed)
        if np.isfinite(value.value):
            out[name] = msgspec.to_builtins(value)
    return out


def _end(results: list[GateResult]) -> End | None:
    """No gate may be left open: what is not proven is not promoted."""
    failed = [r for r in results if r.verdict != "pass"]
    if not failed:
        return None
    verdict = "not_worth_it" if all(_compares(r) for r in failed) else "rejected"
    return End(verdict, "; ".join(r.detail for r in failed))


def _compares(result: GateResult) -> bool:
    return _is_comparison(result.gate)


def _is_comparison(gate: str) -> bool:
    return gate.endswith("champion") or " champion by " in gate
