"""What the test stage knows, as values that monitoring judges windows with."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import numpy as np
import polars as pl

from everloop.data.schema import Schema
from everloop.errors import InvalidInput
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import costs_of, metric_of
from everloop.evaluate.fairness.by_metric import NO_MEASURE, Judged, fairness
from everloop.evaluate.gates import Evidence, Gate, chosen_gates
from everloop.evaluate.gates.gap import Gap
from everloop.evaluate.gates.named_slice import NamedSlice
from everloop.evaluate.gates.selection_rate import SelectionRateRatio
from everloop.evaluate.gates.threshold import Threshold
from everloop.evaluate.gates.worst_slices import WorstSlices
from everloop.evaluate.metrics import get_metric, metric_names
from everloop.evaluate.metrics._base import Metric
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.playing import ranked_together
from everloop.monitor.estimation.heldout import HeldOut
from everloop.monitor.gauges import Gauge, Interval
from everloop.monitor.judging import Judging

AGAIN = (Gap, NamedSlice, SelectionRateRatio, Threshold, WorstSlices)
"""Gates that labelled rows alone can answer."""


def judging_of(
    spec: EvaluateSpec, schema: Schema, held: HeldOut | None, tested: dict[str, Any]
) -> Judging:
    """How windows of a champion are judged.

    ``tested`` is what the evaluate step found of it: the metrics and the gates then.
    """
    return Judging(
        gauges=_gauges(spec, schema, tested.get("metrics", {})),
        held=held,
        costs=costs_of(spec, schema),
        currency=spec.cost.currency if spec.cost is not None else "",
        promises=_promises(spec, schema, tested.get("gates", [])),
    )


def judged_rows(
    spec: EvaluateSpec,
    schema: Schema,
    frame: pl.DataFrame,
    y: np.ndarray,
    answers: Answers,
    seed: int = 0,
) -> Judged:
    """Answers to labelled rows of a loop, as its groups are compared by them."""
    lists = ranked_together(frame, schema)
    return Judged(schema, frame, y, answers, metric_of(spec, schema), lists, seed)


def _gauges(spec: EvaluateSpec, schema: Schema, tested: dict[str, Any]) -> tuple[Gauge, ...]:
    """Every metric that was measured when the champion was tested."""
    out = []
    for name in metric_names(schema.task):
        if name not in tested or schema.group is not None or not get_metric(name).needs_labels:
            continue  # rankings are judged by groups, which the log does not keep
        metric, found = metric_of(spec, schema, name), tested[name]
        before = Interval(found["value"], found["low"], found["high"])
        out.append(
            Gauge(
                name, metric.function, metric.greater_is_better, metric.bounds, before,
                metric.needs_probabilities,
            )
        )  # fmt: skip
    return tuple(out)


def _promises(
    spec: EvaluateSpec, schema: Schema, tested: list[dict[str, Any]]
) -> Callable[..., dict[str, Any]] | None:
    """Gates that labelled rows answer again, and how groups are treated."""
    gates = [gate for gate in chosen_gates(spec, schema.task) if _asked_again(gate, schema)]
    sensitive = list(spec.sensitive)
    if schema.task in NO_MEASURE or schema.group is not None:
        sensitive = []  # of rankings the log does not keep what is ranked together
    if not gates and not sensitive:
        return None
    before = {found["gate"]: found for found in tested}

    def promises(
        frame: pl.DataFrame, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None
    ) -> dict[str, Any]:
        costs = costs_of(spec, schema)
        evidence = Evidence(schema, frame, y, Answers(pred, proba), costs=costs)
        out: dict[str, Any] = {}
        told = [gate for gate in gates if proba is not None or not _needs_probabilities(gate)]
        if told:
            out["gates"] = [_kept(gate, evidence, before.get(gate.text)) for gate in told]
        if sensitive:
            judged = judged_rows(spec, schema, frame, y, evidence.challenger)
            out["fairness"] = [_by_group(judged, name) for name in sensitive]
        return out

    return promises


def _asked_again(gate: Gate, schema: Schema) -> bool:
    """Whether labelled rows alone can say if it is met, and the log has its columns."""
    return isinstance(gate, AGAIN) and set(gate.columns) <= {*schema.names, *schema.beside}


def _needs_probabilities(gate: Gate) -> bool:
    metric: Metric | None = getattr(gate, "metric", None)
    return metric is not None and metric.needs_probabilities


def _kept(gate: Gate, evidence: Evidence, before: dict[str, Any] | None) -> dict[str, Any]:
    try:
        found = gate.check(evidence)
    except InvalidInput as error:  # groups that this window has too many of
        found = gate.result("not_enough_evidence", error.message)
    return {
        "gate": gate.text,
        "verdict": found.verdict,
        "value": found.value,
        "low": found.low,
        "high": found.high,
        "tested": before["value"] if before is not None else None,
        "detail": found.detail,
    }


def _by_group(judged: Judged, name: str) -> dict[str, Any]:
    nothing: dict[str, Any] = {"columns": [name], "groups": []}
    if name not in judged.schema.names:
        if name not in judged.schema.beside:
            return nothing | {"note": f"The version was trained before {name} was looked at."}
        if name not in judged.frame.columns or judged.frame[name].null_count() == len(judged.y):
            return nothing | {"note": f"No labelled row came with {name}."}
    try:
        found: dict[str, Any] = msgspec.to_builtins(fairness(judged, [name]))
    except InvalidInput as error:  # more groups than can be judged
        found = nothing | {"note": error.message}
    return found
