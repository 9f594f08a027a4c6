"""Probe: would a new model be better at all? Asked before a cycle of alarms is paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import msgspec
import polars as pl

from everloop.data.conform import conform
from everloop.data.schema import Schema
from everloop.data.streams.staying import bounded
from everloop.evaluate.answers import Answers
from everloop.evaluate.costs import costs_of, metric_of
from everloop.loop.answers import PackagedModel
from everloop.loop.considered import found_params, trained_until
from everloop.loop.dividing import known_of
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps._learning_on import learned_on
from everloop.loop.steps._method import about
from everloop.loop.steps._seen import champion_from, stored_versions
from everloop.registry.models import ModelVersion
from everloop.update.auto import Chosen, Contender, choose
from everloop.update.contenders import Probed, QuickFit, contenders
from everloop.update.decide import decide
from everloop.update.methods import Choice
from everloop.update.probe import ALL, History, Own, Sources, grounds_of, quick_fit
from everloop.update.rewarded import rewarded_grounds, told_off_policy
from everloop.update.situation import Situation
from everloop.update.spec import UpdateSpec
from everloop.update.windows import Window
from everloop.update.worth import Ask


class Probe:
    """Fits the champion's kind of model once on what was known before the newest windows.

    A cycle that a person asked for is not probed, nor one by a rule that says how the model is to
    be made: its gates decide. Nor is a ranking, since the log does not say which rows belong
    together.
    """

    name = "probe"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        cause = context.cycle.cause
        if not (cause.get("probe") or cause.get("choose")):
            return Outcome({"why": "asked for by a person or a rule; the gates decide"})
        if context.declaration.data.task == "ranking":
            return Outcome({"why": "a ranking's rows are judged by group; the gates decide"})
        situation = msgspec.convert(cause["situation"], Situation)
        if context.declaration.data.task == "bandit":
            chosen = _policy_probe(context, situation)
            if not chosen.worth.enough:
                note = chosen.worth.note
                return Outcome({"why": f"nothing is told off policy ({note}); the gates decide"})
        else:
            chosen = _probe(context, situation)
        result: dict[str, Any] = {
            "worth": msgspec.to_builtins(chosen.worth),
            "tried": msgspec.to_builtins(chosen.tried),
            "method": msgspec.to_builtins(chosen.choice),
        }
        if cause.get("choose"):
            return Outcome(result)
        probed = {"worth": chosen.worth, "method": chosen.choice.name}
        decision = decide(msgspec.structs.replace(situation, **probed), policy_of(context))
        result |= {
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


def _probe(context: StepContext, situation: Situation) -> Chosen:
    project, declaration = context.project, context.declaration
    champion = project.champion(declaration.name)
    assert champion is not None, "an update has a champion to compare with"
    package = project.package(champion)[1]
    schema, policy = package.schema, policy_of(context)
    metric = metric_of(declaration.evaluate, schema)
    grounds = grounds_of(
        _sources(context, champion, schema, situation),
        lambda frames: known_of(frames, schema, declaration),
        declaration.evaluate.group_by,
        _own(context, champion, schema),
    )
    method = named(context, policy)
    choice = Choice("retrain", policy.window, policy.search, champion.version)
    probed = Probed(
        grounds=grounds,
        schema=schema,
        about=about(context, choice, champion_from(project, champion)),
        score=metric.score,
        quick=_quick(context, champion, schema),
        stored=_stored(context, champion, schema),
        costs=costs_of(declaration.evaluate, schema),
        threshold=declaration.train.threshold,
        calibrate=declaration.train.calibrate,
        seed=declaration.loop.seed,
        learned_on=partial(learned_on, context, champion, schema, metric, policy.forget),
    )
    return choose(grounds, contenders(probed, method), metric.score, metric.name, policy.min_gain)


def _policy_probe(context: StepContext, situation: Situation) -> Chosen:
    """A new fit of a bandit, its only method, and what it would earn."""
    project, declaration = context.project, context.declaration
    champion = project.champion(declaration.name)
    assert champion is not None, "an update has a champion to compare with"
    found = PackagedModel(*project.package(champion))
    schema, policy = found.package.schema, policy_of(context)
    metric = metric_of(declaration.evaluate, schema)
    sources = _sources(context, champion, schema, situation)
    grounds = rewarded_grounds(sources, partial(found.answers, schema=schema))
    choice = Choice("retrain", policy.window, policy.search, champion.version)
    fit = told_off_policy(_quick(context, champion, schema)(ALL, None), grounds.judge, metric)
    return choose(grounds, [Contender(choice, fit)], metric.score, metric.name, policy.min_gain)


def _sources(
    context: StepContext, champion: ModelVersion, schema: Schema, situation: Situation
) -> Sources:
    project, declaration = context.project, context.declaration
    return Sources(
        log=project.log,
        endpoint=declaration.endpoint,
        schema=schema,
        situation=situation,
        known=_known(context, schema),
        trained_until=trained_until(project, champion),
        exclude=project.windows.quarantined(declaration.endpoint),
        hidden=declaration.monitor.log.hidden,
    )


def _own(context: StepContext, champion: ModelVersion, schema: Schema) -> Own:
    """The champion, asked anew only about rows that another version answered."""
    if context.declaration.monitor.log.hidden:
        return Own(champion.version, None)

    def ask(frame: pl.DataFrame) -> Answers:
        return PackagedModel(*context.project.package(champion)).answers(frame, schema)

    return Own(champion.version, ask)


def named(context: StepContext, policy: UpdateSpec) -> str:
    """The method that was asked for by name, or ``auto``."""
    said = context.cycle.cause.get("method")
    return str(said["name"]) if said else policy.method


def _quick(context: StepContext, champion: ModelVersion, schema: Schema) -> QuickFit:
    declaration = context.declaration
    metric = metric_of(declaration.evaluate, schema)
    params = found_params(context.project, champion)

    def quick(window: Window, since: int | None) -> Callable[[History], Ask]:
        return quick_fit(
            schema,
            champion.algorithm or "",
            metric.score,
            declaration.train,
            params,
            declaration.loop.seed,
            costs_of(declaration.evaluate, schema),
            window,
            since,
        )

    return quick


def _stored(
    context: StepContext, champion: ModelVersion, schema: Schema
) -> Iterator[tuple[int, bool, Ask]]:
    """Other versions; none where the log hides what they read."""
    declaration = context.declaration
    if declaration.monitor.log.hidden:
        return
    found = stored_versions(context.project, declaration.name, champion.version)
    for known, model in found:
        if (known.schema.task, known.schema.target) == (schema.task, schema.target):
            yield known.version, known.served, partial(model.answers, schema=schema)


def _known(context: StepContext, schema: Schema) -> pl.DataFrame:
    """The declared rows: the columns of the schema, and the one that rows are divided by."""
    project, declaration = context.project, context.declaration
    memory = project.settings.memory_bytes
    source, _ = bounded(declaration.data, project.dir, declaration.loop.seed, memory)
    kept = conform(source, schema, training=True, ignore=declaration.data.ignore)
    group_by = declaration.evaluate.group_by
    if group_by is None or group_by in kept.columns or group_by not in source.columns:
        return kept
    return kept.with_columns(source[group_by])
