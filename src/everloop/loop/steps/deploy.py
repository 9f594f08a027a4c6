"""Deploy: the new version beside the champion, in steps, watched by the guard."""

from __future__ import annotations

import time
from typing import Any

from everloop.deploy.rollout import Counts, Deployed, judge, plan_arms
from everloop.deploy.spec import RolloutSpec
from everloop.durations import seconds
from everloop.errors import Unavailable
from everloop.loop.steps._applied import wait_applied
from everloop.loop.steps._base import End, Interrupted, Outcome, StepContext
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms

POLL_SECONDS = 0.4
LOAD_SECONDS = 5.0  # of trying before a canary that cannot be loaded is given up


class Deploy:
    """Moves the canary's share up step by step; takes it back when the guard says so.

    A canary that the data plane cannot load, or a step that breaks, is taken back too.

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
        try:
            return _canary(context, champion, challenger, spec)
        except Interrupted:
            raise  # the rollout stays as it is, for the next engine to go on with
        except Exception:
            _set_weight(context, champion, None, 0.0)
            raise


STEP = Deploy()


def deployed(version: ModelVersion) -> Deployed:
    """A version as a rollout names it."""
    return Deployed(version.version, version.package_digest())


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
        revision = _set_weight(context, champion, challenger, weight)
        context.report("canary", {"version": challenger.version, "weight": weight})
        broken = _load_error(context, revision)
        if broken is not None:
            said: dict[str, Any] = {"weight": weight, "verdict": "fail", "reason": broken}
        else:
            said = _hold(context, champion, challenger, spec, weight)
        steps.append(said)
        if said["verdict"] == "fail":
            _set_weight(context, champion, None, 0.0)
            return Outcome({"kind": "canary", "steps": steps}, End("rolled_back", said["reason"]))
    return Outcome({"kind": "canary", "steps": steps})


def _set_weight(
    context: StepContext, champion: ModelVersion, canary: ModelVersion | None, weight: float
) -> int:
    project, declaration = context.project, context.declaration
    arms = plan_arms(deployed(champion), deployed(canary) if canary else None, weight)
    project.endpoints.set_rollout(declaration.endpoint, declaration.name, arms, actor="controller")
    return project.publish()


def _load_error(context: StepContext, revision: int) -> str | None:
    """Why the data plane does not let the canary answer, or None when it does."""
    if wait_applied(context.project, revision, LOAD_SECONDS) is not False:
        return None
    standing = context.project.serving()
    error = standing.errors.get(context.declaration.endpoint) if standing else None
    return None if error is None else f"the data plane cannot load the canary: {error}"


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
        counts = _counts(context, began)
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
        if context.stop.wait(POLL_SECONDS):
            raise Interrupted


def _counts(context: StepContext, began: int) -> dict[int, tuple[int, int]]:
    """``{version: (requests, failed)}`` since the step began; tries again through an outage."""
    for pause in (0.5, 1.0, 2.0, 4.0):
        try:
            return _count(context, began)
        except Unavailable:
            if context.stop.wait(pause):
                raise Interrupted from None
    return _count(context, began)


def _count(context: StepContext, began: int) -> dict[int, tuple[int, int]]:
    context.project.log.ship()
    return context.project.log.counts(context.declaration.endpoint, since=began)
