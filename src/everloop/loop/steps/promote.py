"""Promote: the new version becomes the champion, in one transaction, and answers all traffic."""

from __future__ import annotations

from typing import Any

from everloop.deploy.rollout import promoted_arms
from everloop.loop.rollouts import deployed
from everloop.loop.steps._applied import wait_applied
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps.deploy import rollout_of
from everloop.store.clock import now_ms

APPLY_SECONDS = 15.0


class Promote:
    """Alias and rollout change together, so that there is never a moment with two champions, and
    once for a cycle."""

    name = "promote"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        project, declaration = context.project, context.declaration
        number = context.results.get("deploy", {}).get("winner", context.version)
        begun = project.cycles.step(context.cycle.id, self.name)
        done = begun.result if begun is not None else None
        if done is None:
            before = project.registry.alias(declaration.name, "champion")
            if context.cycle.cause["kind"] == "train" and before not in (None, number):
                return Outcome({}, End("registered", _stays(number, before)))
            done = _promoted(context, number, before)
        revision = project.publish()
        applied = wait_applied(project, revision, APPLY_SECONDS)
        result = {**done, "revision": revision, "applied": applied}
        reason = _reason(context, number, done["replaced"])
        if note := context.results.get("approve", {}).get("note"):
            reason += f" {note}"  # nobody answered
        return Outcome(result, End("promoted", reason))


STEP = Promote()


def _promoted(context: StepContext, number: int, before: int | None) -> dict[str, Any]:
    """Move alias and traffic, and note beside them that it is done: a step that is run again after
    a crash must not undo what somebody has decided since."""
    project, declaration = context.project, context.declaration
    name = declaration.name
    by: dict[str, Any] = {"actor": "controller", "by_rollout": True}
    version = project.registry.version(name, number)
    old = None if before is None else project.registry.version(name, before)
    watched = "rollout" in context.results.get("deploy", {})
    arms = promoted_arms(
        rollout_of(context), deployed(version), deployed(old) if old and watched else None
    )
    replaced = before if before != number else None
    done = {"version": number, "replaced": replaced, "at": now_ms()}
    with project.events.transaction() as conn:
        project.registry.set_alias(name, "champion", number, conn=conn, **by)
        project.registry.delete_alias(name, "challenger", conn=conn, **by)
        project.endpoints.set_rollout(
            declaration.endpoint, name, arms, actor="controller", conn=conn,
            serving=declaration.deploy.serving,
        )  # fmt: skip
        project.cycles.note_step(conn, context.cycle.id, Promote.name, done)
    return done


def _stays(version: int, champion: int | None) -> str:
    return (
        f"Version {version} is registered; version {champion} stays the champion. "
        f"everloop deploy {version} would replace it."
    )


def _reason(context: StepContext, version: int, replaced: int | None) -> str:
    tested = context.results.get("evaluate")
    if tested is None:
        return f"Version {version} was chosen by a person" + (
            f" in place of version {replaced}." if replaced else "."
        )
    metric = tested["metric"]
    value = tested["metrics"][metric]["value"]
    if replaced is None or "comparison" not in tested:
        return f"Version {version} has {metric} {value:.4f} on {tested['rows']:,} {tested['unit']}."
    gap = tested["comparison"]
    return (
        f"Version {version} has {metric} {value:.4f} on {tested['rows']:,} {tested['unit']}, "
        f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}] against "
        f"version {replaced}."
    )
