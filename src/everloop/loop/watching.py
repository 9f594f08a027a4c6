"""Looking at a loop's traffic, and doing what its update policy makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from everloop.errors import Conflict
from everloop.loop.considered import kept, situation_now
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.evaluating import REFERENCE, evaluate_where_it_fits
from everloop.loop.experience import experience_of
from everloop.loop.fallbacks import FALLBACK, with_fallback
from everloop.loop.losses import tell_clock, tell_damage, tell_losses, tell_unread
from everloop.loop.project import Project
from everloop.loop.sources import read_sources
from everloop.loop.steps import PLANS
from everloop.loop.telling import tell_verdicts
from everloop.memory import give_back
from everloop.monitor.windows import Alert
from everloop.registry.models import ModelVersion
from everloop.update.asked import asked_choice
from everloop.update.decide import Decision, decide, needs_probe
from everloop.update.situation import Situation

UNKNOWN = (
    "No update: the champion was made elsewhere, and nothing says what its rows are like. "
    "everloop register with --data does."
)


class Looked(msgspec.Struct, frozen=True):
    """What was seen, what was decided, and the cycle that it led to.

    ``alerts`` are those that were raised since an update was last considered.
    """

    shipped: int
    alerts: list[Alert]
    decision: Decision
    cycle: Cycle | None = None


def look(
    project: Project, declaration: Declaration, actor: str | None, now: int | None = None
) -> Looked:
    """Ship the log, evaluate closed windows, decide; with an ``actor``, act on the decision.

    ``now`` is the event time (ms) to take for the present, as :meth:`Watch.tick` has it.
    """
    looked = _look(project, declaration, actor, now)
    if looked.shipped or looked.cycle is not None:
        give_back()
    return looked


def _look(project: Project, declaration: Declaration, actor: str | None, now: int | None) -> Looked:
    tell_verdicts(project, declaration)
    newest = project.cycles.page(declaration.name, limit=1)
    champion = project.champion(declaration.name)
    if champion is None:
        return Looked(0, [], Decision("none", "No update: there is no champion yet."))
    read = read_sources(project, declaration, force=actor is None)
    if read.error is not None:
        tell_unread(project, declaration, read.error)
    shipped = project.log.ship() + read.logged.new + read.fed.new
    tell_losses(project, declaration)
    tell_damage(project, declaration)
    tell_clock(project, declaration)
    evaluate_where_it_fits(project, declaration, champion, now)
    project.alerts.route(declaration.endpoint, declaration.monitor)
    if REFERENCE not in champion.files:
        return Looked(shipped, [], Decision("none", UNKNOWN))
    situation = situation_now(project, declaration, champion)
    if situation is None:
        return Looked(shipped, [], Decision("none", "No update: no window is over yet."))
    situation = with_fallback(project, declaration, champion, situation)
    decision = decide(situation, declaration.update)
    alerts = _new_alerts(project, declaration, situation)
    cycle = None
    if actor is not None and newest and newest[0].finished is not None:
        acting = _Acting(project, declaration, champion, situation, actor, newest[0].number)
        cycle = _act(acting, decision)
    return Looked(shipped, alerts, decision, cycle)


def _new_alerts(project: Project, declaration: Declaration, situation: Situation) -> list[Alert]:
    if not situation.alerts:
        return []
    wanted = {told.id for told in situation.alerts}
    since = situation.considered.when if situation.considered else 0
    found = project.windows.alerts(declaration.endpoint, limit=1000, raised_after=since)
    return [alert for alert in reversed(found) if alert.id in wanted]


@dataclass(frozen=True)
class _Acting:
    """What a decision was made from, and the newest cycle that was known then."""

    project: Project
    declaration: Declaration
    champion: ModelVersion
    situation: Situation
    actor: str
    after: int

    def begin(self, cause: dict[str, Any], plan: list[str]) -> Cycle | None:
        """A new cycle; None when somebody else was first, and then looks again later."""
        try:
            return self.project.cycles.create(
                self.declaration.name, cause=cause, plan=plan, actor=self.actor, after=self.after
            )
        except Conflict:
            return None


def _act(acting: _Acting, decision: Decision) -> Cycle | None:
    if decision.action == "none":
        return None
    if decision.action == "refuse":
        return _refuse(acting, decision)
    if _tried(acting):
        return None
    if decision.cause["kind"] == FALLBACK:
        return _go_round(acting, decision)
    project, champion = acting.project, acting.champion
    situation, policy = acting.situation, acting.declaration.update
    probe = needs_probe(situation, policy)
    project.step_soon()
    if probe:
        past = experience_of(project, acting.declaration.name)
        situation = msgspec.structs.replace(situation, experience=past)
    cause = {
        **decision.cause,
        "rows": situation.rows,
        "probe": probe,
        "situation": msgspec.to_builtins(situation),
        "policy": msgspec.to_builtins(policy),
        "decision": decision.reason,
        "keep": kept(project, champion),
    }
    if (chosen := asked_choice(policy, champion.version, probe)) is not None:
        cause["method"] = msgspec.to_builtins(chosen)
    cycle = acting.begin(cause, PLANS["update"])
    if cycle is not None:
        with project.db.write() as conn:
            project.windows.link(conn, decision.cause.get("alerts", []), cycle.id)
    return cycle


def _go_round(acting: _Acting, decision: Decision) -> Cycle | None:
    """A cycle round a broken feature: through all gates without it, or to another version."""
    champion, version = acting.champion, decision.cause.get("version")
    cause = {
        **decision.cause,
        "situation": msgspec.to_builtins(acting.situation),
        "policy": msgspec.to_builtins(acting.declaration.update),
        "decision": decision.reason,
        "probe": False,
    }
    if version is None:
        cause["keep"] = kept(acting.project, champion)
    plan = PLANS["run"] if version is None else ["approve", *PLANS["deploy"]]
    return acting.begin(cause, plan)


def _tried(acting: _Acting) -> bool:
    """Whether a cycle of this very situation broke: the next window is the time to try again."""
    newest = acting.project.cycles.page(acting.declaration.name, limit=1)
    return bool(
        newest
        and newest[0].verdict in ("failed", "refused")
        and newest[0].cause["kind"] != "quality"
        and newest[0].cause.get("at") == acting.situation.now
    )


def _refuse(acting: _Acting, decision: Decision) -> Cycle | None:
    """A refusal is a cycle without steps, once for each window that caused it."""
    newest = acting.situation.newest
    window = newest.start if newest is not None else acting.situation.now
    for before in acting.project.cycles.page(acting.declaration.name, limit=10):
        if before.verdict == "refused" and before.cause.get("window") == window:
            return None
    faults = [a.id for a in acting.situation.alerts if a.kind == "quality" and a.window == window]
    alerts = [*dict.fromkeys([*decision.cause.get("alerts", []), *faults])]
    told = {"kind": "quality", "window": window, "reason": decision.reason, "alerts": alerts}
    cause = {**decision.cause, **told}
    project = acting.project
    try:
        cycle = project.cycles.refuse(
            acting.declaration.name,
            cause=cause,
            reason=decision.reason,
            evidence=decision.evidence,
            actor=acting.actor,
            after=acting.after,
        )
    except Conflict:
        return None
    with project.db.write() as conn:
        project.windows.link(conn, alerts, cycle.id)
    return cycle
