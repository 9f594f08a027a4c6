"""Promote: the new version becomes the champion, in one transaction, and answers all traffic."""

from __future__ import annotations

from everloop.deploy.rollout import promoted_arms
from everloop.loop.rollouts import deployed
from everloop.loop.steps._applied import wait_applied
from everloop.loop.steps._base import End, Outcome, StepContext
from everloop.loop.steps.deploy import rollout_of
from everloop.store.clock import now_ms

APPLY_SECONDS = 15.0


class Promote:
    """Alias and rollout change together, so that there is never a moment with two champions."""

    name = "promote"
    where = "controller"

    def run(self, context: StepContext) -> Outcome:
        project, declaration = context.project, context.declaration
        number = context.results.get("deploy", {}).get("winner", context.version)
        version = project.registry.version(declaration.name, number)
        watched = "rollout" in context.results.get("deploy", {})
        before = project.registry.alias(declaration.name, "champion")
        if context.cycle.cause["kind"] == "train" and before not in (None, version.version):
            return Outcome({}, End("registered", _stays(version.version, before)))
        old = None if before is None else project.registry.version(declaration.name, before)
        arms = promoted_arms(
            rollout_of(context), deployed(version), deployed(old) if old and watched else None
        )
        with project.events.transaction() as conn:
            project.registry.set_alias(
                declaration.name,
                "champion",
                version.version,
                actor="controller",
                conn=conn,
                by_rollout=True,
            )
            project.registry.delete_alias(
                declaration.name, "challenger", actor="controller", conn=conn, by_rollout=True
            )
            project.endpoints.set_rollout(
                declaration.endpoint,
                declaration.name,
                arms,
                actor="controller",
                conn=conn,
                serving=declaration.deploy.serving,
            )
        revision = project.publish()
        applied = wait_applied(project, revision, APPLY_SECONDS)
        replaced = before if before != version.version else None
        result = {
            "version": version.version,
            "replaced": replaced,
            "revision": revision,
            "applied": applied,
            "at": now_ms(),
        }
        reason = _reason(context, version.version, replaced)
        if note := context.results.get("approve", {}).get("note"):
            reason += f" {note}"  # nobody answered
        return Outcome(result, End("promoted", reason))


STEP = Promote()


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
