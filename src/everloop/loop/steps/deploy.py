"""Deploy: the new version beside the champion, by a rollout that the guards watch."""

from __future__ import annotations

from everloop.deploy.checked import changed, check_task
from everloop.deploy.rollouts import Rollout
from everloop.deploy.spec import RolloutSpec
from everloop.errors import Unavailable
from everloop.loop.rollouts import Carrier
from everloop.loop.steps._base import End, Interrupted, Outcome, StepContext
from everloop.registry.models import ModelVersion

LOOK_SECONDS = 0.4
PAUSES = (0.5, 1.0, 2.0, 4.0)  # between looks while the stores do not answer


class Deploy:
    """Carries a rollout on until it is over; a cycle that is resumed goes on with its own.

    With no champion yet, with ``kind = "direct"``, or with no data plane running there is nothing
    to compare with: the version goes on to the promotion at once, and the result says why. A
    rollout that breaks gives the champion its traffic back.
    """

    name = "deploy"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        project, model = context.project, context.declaration.name
        rollout = project.rollouts.of_cycle(context.cycle.id)
        if rollout is None:
            spec = rollout_of(context)
            challenger = project.registry.version(model, context.version)
            champion = project.champion(model)
            why = _no_trial(context, champion, challenger, spec)
            if why is not None or champion is None:
                return Outcome({"kind": "direct", "why": why, "steps": []})
            if spec.kind == "interleave":
                check_task(spec, project.package(champion)[1].schema.task)
            rollout = project.rollouts.begin(
                context.cycle.id,
                endpoint=context.declaration.endpoint,
                model=model,
                spec=spec,
                champion=champion.version,
                versions=[challenger.version, *context.cycle.cause.get("beside", [])],
                actor="controller",
            )
        return _outcome(rollout if rollout.over else _carried(context, rollout))


STEP = Deploy()


def rollout_of(context: StepContext) -> RolloutSpec:
    """The loop file's rollout, with what this cycle was asked to do otherwise."""
    return changed(context.declaration.deploy.rollout, context.cycle.cause.get("rollout", {}))


def _no_trial(
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


def _carried(context: StepContext, rollout: Rollout) -> Rollout:
    """Look again and again until it is over."""
    carrier = Carrier(context.project, rollout)
    pauses = iter(PAUSES)
    stage = rollout.stage
    while not rollout.over:
        wait = LOOK_SECONDS
        try:
            rollout = carrier.look()
            pauses = iter(PAUSES)
        except Unavailable as error:
            # Without the database nothing can be taken back either: what is due waits for it.
            wait = PAUSES[-1] if error.code == "database_unavailable" else next(pauses, 0.0)
            if not wait:
                carrier.give_up(error.message)
                raise
        except Exception as error:
            carrier.give_up(str(error))
            raise
        if rollout.stage != stage:
            stage = rollout.stage
            weight = sum(arm.weight for arm in carrier.stages[stage][1:])
            context.report("canary", {"version": rollout.versions[0], "weight": weight})
        if not rollout.over and context.stop.wait(wait):
            raise Interrupted  # it stays as it is, for the next engine to go on with
    return rollout


def _outcome(rollout: Rollout) -> Outcome:
    steps = rollout.evidence.stages
    result = {"kind": rollout.spec.kind, "rollout": rollout.id, "steps": steps}
    if rollout.state == "rolled_back":
        return Outcome(result, End("rolled_back", rollout.reason or ""))
    winner = next((step["winner"] for step in steps if step["winner"]), rollout.versions[0])
    return Outcome({**result, "winner": winner})
