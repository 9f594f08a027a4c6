"""Probe: would a new model be better at all? Asked before a cycle of alarms is paid for."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.data.conform import conform
from everloop.data.declared import read_declared
from everloop.evaluate.costs import metric_of
from everloop.loop.considered import found_params, trained_until
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.update.probe import probe_update, quick_fit
from everloop.update.situation import Situation
from everloop.update.worth import Worth


class Probe:
    """Fits the champion's kind of model once on what was known before the newest windows.

    A cycle that a person or a schedule asked for is not probed: its gates decide.
    """

    name = "probe"
    where = "worker"

    def run(self, context: StepContext) -> Outcome:
        cause = context.cycle.cause
        if not cause.get("probe"):
            return Outcome({"why": "asked for by a person or a rule; the gates decide"})
        worth = _probe(context, msgspec.convert(cause["situation"], Situation))
        result: dict[str, Any] = {"worth": msgspec.to_builtins(worth)}
        if worth.worth:
            return Outcome(result)
        reason = f"Not worth it: {worth.summary()}. Seen: {cause['reason']}."
        return Outcome(result, End("not_worth_it", reason))


STEP = Probe()


def _probe(context: StepContext, situation: Situation) -> Worth:
    project, declaration = context.project, context.declaration
    champion = project.champion(declaration.name)
    assert champion is not None, "an update has a champion to compare with"
    schema = project.package(champion)[1].schema
    metric = metric_of(declaration.evaluate, schema)
    source = read_declared(declaration.data, project.dir, declaration.loop.seed)
    params = found_params(project, champion)
    return probe_update(
        project.log,
        declaration.endpoint,
        schema,
        situation,
        conform(source, schema, training=True, ignore=declaration.data.ignore),
        trained_until(project, champion),
        project.windows.quarantined(declaration.endpoint),
        quick_fit(schema, champion.algorithm or "", params, declaration.loop.seed),
        metric.score,
        metric.name,
        declaration.update.min_gain,
    )
