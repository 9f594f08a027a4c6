"""Deploy: the new version beside the champion, in steps, watched by the guard."""

from __future__ import annotations

import time
from typing import Any

from everloop.deploy.rollout import Counts, Deployed, judge, plan_arms
from everloop.deploy.spec import RolloutSpec
from everloop.durations import seconds
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms

POLL_SECONDS = 0.2


class Deploy:
    """Moves the canary's share up step by step; takes it back when the guard says so.

    With no champion yet, with ``kind = "direct"``, or with no data plane running there is nothing
    to compare with: the version goes on to the promotion at once, and the result says why.
    """

    name = "deploy"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        project, model = context.project, context.declaration.name
        challenger = project.registry.version(model, context.version)
        champion = project.champion(model)
        spec = context.declaration.deploy.rollout
        why = _no_canary(context, champion, challenger, spec)
        if why is not None or champion is None:
            return Outcome({"kind": "direct", "why": why, "steps": []})
        return _canary(context, champion, challenger, spec)


STEP = Deploy()


def deployed(version: ModelVersion) -> Deployed:
    """A version as a rollout names it."""
    return Deployed(version.version, version.digest)


def _no_canary(
    context: StepContext,
    champion: ModelVersion | None,
    challenger: ModelVersion,
    spec: RolloutSpec,
) -> str | None:
    if champion is None:
        return "the first version has no champion to stand beside"
    if champion.version == challenger.version:
        return "the version serves already"
    if spec.kind == "direct":
        return "the loop file asks for a direct rollout"
    if context.project.serving() is None:
        return "no data plane is running on this folder, so no traffic could judge a canary"
    return None


def _canary(
    context: StepContext, champion: ModelVersion, challenger: ModelVersion, spec: RolloutSpec
) -> Outcome:
    steps: list[dict[str, Any]] = []
    for weight in [w for w in spec.steps if w < 1.0]:
        _set_weight(context, champion, challenger, weight)
        context.report("canary", {"version": challenger.version, "weight": weight})
        said = _hold(context, champion, challenger, spec, weight)
        steps.append(said)
        if said["verdict"] == "fail":
            _set_weight(context, champion, None, 0.0)
            context.project.registry.delete_alias(
                context.declaration.name, "challenger", actor="controller"
            )
            return Outcome({"kind": "canary", "steps": steps}, End("rolled_back", said["reason"]))
    return Outcome({"kind": "canary", "steps": steps})


def _set_weight(
    context: StepContext, champion: ModelVersion, canary: ModelVersion | None, weight: float
) -> None:
    project, declaration = context.project, context.declaration
    arms = plan_arms(deployed(champion), deployed(canary) if canary else None, weight)
    project.endpoints.set_rollout(declaration.endpoint, declaration.name, arms, actor="controller")
    project.publish()


def _hold(
    context: StepContext,
    champion: ModelVersion,
    challenger: ModelVersion,
    spec: RolloutSpec,
    weight: float,
) -> dict[str, Any]:
    """Watch one step until the guard is sure, or the time is over."""
    began, deadline = now_ms(), time.monotonic() + seconds(spec.hold)
    while True:
        project = context.project
        project.log.ship()
        counts = project.log.counts(context.declaration.endpoint, since=began)
        canary = Counts(*counts.get(challenger.version, (0, 0)))
        champ = Counts(*counts.get(champion.version, (0, 0)))
        said = judge(canary, champ, spec)
        over = time.monotonic() >= deadline
        if said.verdict != "continue" or over:
            verdict, reason = said.verdict, said.reason
            if verdict == "continue":
                verdict = "pass"
                reason = f"held for {spec.hold} with {canary.requests} canary predictions: {reason}"
            return {
                "weight": weight,
                "verdict": verdict,
                "reason": reason,
                "canary": canary._asdict(),
                "champion": champ._asdict(),
                "excess": [said.excess_low, said.excess_high],
                "ms": now_ms() - began,
            }
        time.sleep(POLL_SECONDS)
