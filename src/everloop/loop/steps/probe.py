"""Probe: would a new model be better at all? Asked before a cycle of alarms is paid for."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from everloop.data.conform import conform
from everloop.data.schema import Schema
from everloop.data.streams.staying import bounded
from everloop.evaluate.costs import costs_of, metric_of
from everloop.loop.considered import found_params, trained_until
from everloop.loop.declaration import Declaration
from everloop.loop.dividing import known_of
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.update.decide import decide
from everloop.update.probe import probe_update, quick_fit
from everloop.update.situation import Situation
from everloop.update.spec import UpdateSpec
from everloop.update.worth import Worth


class Probe:
    """Fits the champion's kind of model once on what was known before the newest windows.

    A cycle that a person or a schedule asked for is not probed: its gates decide. Nor is a ranking,
    since the log does not say which rows belong together.
    """

    name = "probe"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        cause = context.cycle.cause
        if not cause.get("probe"):
            return Outcome({"why": "asked for by a person or a rule; the gates decide"})
        if context.declaration.data.task == "ranking":
            return Outcome({"why": "a ranking's rows are judged by group; the gates decide"})
        situation = msgspec.convert(cause["situation"], Situation)
        worth = _probe(context, situation)
        decision = decide(msgspec.structs.replace(situation, worth=worth), policy_of(context))
        result: dict[str, Any] = {
            "worth": msgspec.to_builtins(worth),
            "weighed": msgspec.to_builtins(decision.weighed),
            "action": decision.action,
            "reason": decision.reason,
        }
        if decision.action == "cycle":
            return Outcome(result)
        return Outcome(result, End("not_worth_it", decision.reason))


STEP = Probe()


def policy_of(context: StepContext) -> UpdateSpec:
    """The policy that the cycle began with, so that one decision has one policy."""
    kept = context.cycle.cause.get("policy")
    return msgspec.convert(kept, UpdateSpec) if kept else context.declaration.update


def _probe(context: StepContext, situation: Situation) -> Worth:
    project, declaration = context.project, context.declaration
    champion = project.champion(declaration.name)
    assert champion is not None, "an update has a champion to compare with"
    schema = project.package(champion)[1].schema
    metric = metric_of(declaration.evaluate, schema)
    memory = project.settings.memory_bytes
    source, _ = bounded(declaration.data, project.dir, declaration.loop.seed, memory)
    fit = quick_fit(
        schema,
        champion.algorithm or "",
        metric.score,
        declaration.train,
        found_params(project, champion),
        declaration.loop.seed,
        costs_of(declaration.evaluate, schema),
    )
    return probe_update(
        project.log,
        declaration.endpoint,
        schema,
        situation,
        _kept(source, schema, declaration),
        trained_until(project, champion),
        project.windows.quarantined(declaration.endpoint),
        fit,
        metric.score,
        metric.name,
        declaration.update.min_gain,
        lambda frames: known_of(frames, schema, declaration),
        declaration.evaluate.group_by,
        declaration.monitor.log.hidden,
    )


def _kept(source: pl.DataFrame, schema: Schema, declaration: Declaration) -> pl.DataFrame:
    """The columns of the schema, and the one that rows are divided by."""
    kept = conform(source, schema, training=True, ignore=declaration.data.ignore)
    group_by = declaration.evaluate.group_by
    if group_by is None or group_by in kept.columns or group_by not in source.columns:
        return kept
    return kept.with_columns(source[group_by])
