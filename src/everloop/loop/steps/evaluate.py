"""Evaluate: the packaged challenger on held-out rows, beside the champion, through the gates."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import polars as pl

from everloop.data.encode import encode_target
from everloop.data.schema import Schema
from everloop.deploy.package import Package
from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import compare
from everloop.evaluate.gates import Evidence, GateResult, parse_gate
from everloop.evaluate.metrics import default_metric, estimate, get_metric, metric_names
from everloop.loop.answers import PackagedModel
from everloop.loop.steps._base import End, Outcome, StepContext


class Evaluate:
    """Measures the very ONNX model that would be served, never the Python object it came from."""

    name = "evaluate"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        snapshot, train = context.results["snapshot"], context.results["train"]
        schema = msgspec.convert(snapshot["schema"], Schema)
        frame = context.project.datasets.load(snapshot["dataset"])
        holdout = frame.tail(int(snapshot["test_rows"]))
        with tempfile.TemporaryDirectory() as folder:
            context.project.blobs.fetch(train["model"], Path(folder) / "model.onnx")
            package = Package(
                model=context.declaration.name,
                task=schema.task,
                algorithm=train["algorithm"],
                schema=schema,
                created=context.cycle.started,
            )
            challenger = PackagedModel(Path(folder), package)
            return judge(context, challenger, holdout, schema)


STEP = Evaluate()


def judge(
    context: StepContext, challenger: PackagedModel, holdout: pl.DataFrame, schema: Schema
) -> Outcome:
    """Metrics with intervals, the comparison with the champion, and every gate's verdict."""
    spec, seed = context.declaration.evaluate, context.declaration.loop.seed
    metric = spec.metric or default_metric(schema.task).name
    y = encode_target(holdout, schema)
    answers = challenger.answers(holdout)
    champion = context.project.champion(context.declaration.name)
    champion_answers = _champion_answers(context, holdout, schema)
    evidence = Evidence(
        schema=schema,
        frame=holdout,
        y=y,
        challenger=answers,
        champion=champion_answers,
        latency=lambda: challenger.latency_ms(holdout),
    )
    gates = spec.gates if spec.gates is not None else (f"{metric} beats champion",)
    results = [parse_gate(gate).check(evidence) for gate in gates]
    result: dict[str, Any] = {
        "metric": metric,
        "metrics": _metrics(schema, y, answers, seed),
        "rows": holdout.height,
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


def _champion_answers(
    context: StepContext, holdout: pl.DataFrame, schema: Schema
) -> Answers | None:
    champion = context.project.champion(context.declaration.name)
    if champion is None:
        return None
    return PackagedModel(*context.project.package(champion)).answers(holdout, schema)


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
    return result.gate.endswith("champion") or " champion by " in result.gate
