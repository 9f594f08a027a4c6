"""The decision: a new cycle, none, or a refusal, each with its reason. A pure function of values.

The order of the questions is the policy: does anything ask for an update? is the newest data
sound? does a person hold the loop back, is it a quiet hour, is the budget used up? did a cycle run
only just now? would a new model be better? Only a "yes" to all starts one. A rule that a person
wrote (an event, a schedule with a method) needs no proof of worth, since the gates of the cycle
still stand between a new model and the traffic; a schedule or a volume that leaves the method to
``auto`` leaves it to the same probe whether there is to be one at all, as far as labels can tell.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

from everloop.durations import milliseconds
from everloop.update.budget import exhausted
from everloop.update.fallback import fallback_of, left_to_wait
from everloop.update.quiet import quiet_now
from everloop.update.situation import Seen, Situation
from everloop.update.spec import UpdateSpec
from everloop.update.triggers import parse_trigger
from everloop.update.triggers._base import Cause
from everloop.update.weighing import Weighed, weigh, weighed_words


class Decision(msgspec.Struct, frozen=True):
    """What to do, why, and everything it was decided from.

    ``cause`` goes to the cycle; ``evidence`` holds the situation and the policy, from which
    :func:`replay` makes the same decision again.
    """

    action: Literal["none", "cycle", "refuse"]
    reason: str
    cause: dict[str, Any] = {}
    evidence: dict[str, Any] = {}
    weighed: Weighed | None = None


def triggered(situation: Situation, spec: UpdateSpec) -> list[Cause]:
    """What asks for an update. When something does that needs proof, probe before deciding."""
    causes = [parse_trigger(text).fires(situation) for text in spec.when]
    return [cause for cause in causes if cause is not None]


def needs_probe(situation: Situation, spec: UpdateSpec) -> bool:
    """Whether :func:`decide` would weigh ``situation.worth``: a probe costs a fit, so ask first."""
    causes = triggered(situation, spec)
    asked = any(cause.asked for cause in causes)
    return (
        bool(causes)
        and (not asked or _may_wait(causes, spec))
        and not _unsound(situation)
        and not _restrained(situation, spec)
        and (asked or not _cooling(situation, spec))
    )


def decide(situation: Situation, spec: UpdateSpec) -> Decision:
    """Weigh the situation. See the module's first lines for the order of the questions."""
    causes = triggered(situation, spec)
    newest = situation.newest
    if newest is not None and _unsound(situation) and (causes or _new_fault(situation, newest)):
        return _round_a_fault(newest, causes, situation, spec)
    if not causes:
        return _decision("none", _quiet(situation, spec), causes, situation, spec)
    why = "; ".join(cause.reason for cause in causes)
    asked = any(cause.asked for cause in causes)
    if restraint := _restrained(situation, spec):
        reason = f"No update now: {restraint}. Seen: {why}."
        return _decision("none", reason, causes, situation, spec)
    if not asked and _cooling(situation, spec):
        reason = f"No update now: the last cycle is less than {spec.cooldown} ago. Seen: {why}."
        return _decision("none", reason, causes, situation, spec)
    worth = situation.worth
    if worth is None or (asked and not _may_wait(causes, spec)):
        return _decision("cycle", f"Update: {why}.", causes, situation, spec)
    if asked and not worth.enough:
        reason = f"Update: {why}. Nothing tells whether it is worth it: {worth.note}."
        return _decision("cycle", reason, causes, situation, spec)
    weighed = weigh(worth, situation, spec)
    said = weighed_words(worth, weighed)
    if not weighed.worth:
        reason = f"Not worth it: {said}. Seen: {why}."
        return _decision("none", reason, causes, situation, spec, weighed)
    reason = f"Update: {why}. Worth it: {said}."
    return _decision("cycle", reason, causes, situation, spec, weighed)


def _round_a_fault(
    newest: Seen, causes: list[Cause], situation: Situation, spec: UpdateSpec
) -> Decision:
    """A refusal, or the way out that the policy has; a person's hold comes before it."""
    if situation.avoided:
        reason = f"No update: {_fault(newest)}, and the champion does not read what broke."
        return _decision("none", reason, causes, situation, spec)
    way = fallback_of(situation, spec)
    if way is None or _restrained(situation, spec):
        reason = _refusal(newest) + left_to_wait(newest, situation, spec)
        return _decision("refuse", reason, causes, situation, spec)
    made = _decision("cycle", f"Fallback: {_fault(newest)}. {way.reason}", causes, situation, spec)
    cause = {
        **made.cause,
        "kind": "fallback",
        "reason": way.reason,
        "features": list(newest.broken),
        "window": newest.start,
        "at": situation.now,
        "rows": situation.rows,
        **({"drop": list(way.out)} if way.out else {"version": way.version}),
    }
    return msgspec.structs.replace(made, cause=cause)


def replay(evidence: dict[str, Any]) -> Decision:
    """The decision again, from what was recorded of it."""
    situation = msgspec.convert(evidence["situation"], Situation)
    return decide(situation, msgspec.convert(evidence["policy"], UpdateSpec))


def _decision(
    action: Literal["none", "cycle", "refuse"],
    reason: str,
    causes: list[Cause],
    situation: Situation,
    spec: UpdateSpec,
    weighed: Weighed | None = None,
) -> Decision:
    cause: dict[str, Any] = {}
    if causes:
        cause = {
            "kind": causes[0].trigger,
            "triggers": [c.trigger for c in causes],
            "reason": "; ".join(c.reason for c in causes),
            "alerts": sorted({alert for c in causes for alert in c.alerts}),
            "features": list(dict.fromkeys(f for c in causes for f in c.features)),
            "at": situation.now,
            "asked": any(c.asked for c in causes),
        }
    evidence = {
        "situation": msgspec.to_builtins(situation),
        "policy": msgspec.to_builtins(spec),
    }
    return Decision(action, reason, cause, evidence, weighed)


def _unsound(situation: Situation) -> bool:
    return situation.newest is not None and situation.newest.quarantined


def _new_fault(situation: Situation, newest: Seen) -> bool:
    return any(a.kind == "quality" and a.window == newest.start for a in situation.alerts)


def _restrained(situation: Situation, spec: UpdateSpec) -> str | None:
    """A clause about the person, the hour or the budget that holds the loop back; or None."""
    if (paused := situation.paused) is not None:
        which = "all loops" if paused.every else "the loop"
        why = f" ({paused.reason})" if paused.reason else ""
        return f"{paused.by} has paused {which}{why}"
    if situation.clock and (entry := quiet_now(spec.quiet, spec.timezone, situation.clock)):
        return f'these are quiet hours ("{entry}", {spec.timezone})'
    return exhausted(spec.budget, situation.spent, situation.now, spec.hour)


def _may_wait(causes: list[Cause], spec: UpdateSpec) -> bool:
    """Whether a probe has a say in what rules ask for."""
    return spec.method == "auto" and all(cause.can_wait for cause in causes if cause.asked)


def _cooling(situation: Situation, spec: UpdateSpec) -> bool:
    """A clock that was put back by more than the cool-down holds nothing back."""
    last = situation.last_cycle
    rest = milliseconds(spec.cooldown, "update.cooldown")
    return last is not None and abs(situation.now - last.at) < rest


def _refusal(newest: Seen) -> str:
    return (
        f"Refused: {_fault(newest)}. A model trained on it would learn the fault. Mend the "
        f"source, or release the window if it is right: {release_command(newest.start)}."
    )


def _fault(newest: Seen) -> str:
    why = "; ".join(newest.faults) or "its data is broken"
    span = f"from {_day(newest.start)} to {_day(newest.end)}"
    return f"the window {span} is in quarantine ({why})"


def release_command(start: int) -> str:
    """What a person types who says that a window's rows are sound."""
    at = datetime.fromtimestamp(start / 1000, tz=UTC).replace(tzinfo=None)
    return f"everloop window {at.isoformat().removesuffix('T00:00:00')} --release"


def _quiet(situation: Situation, spec: UpdateSpec) -> str:
    when = ", ".join(spec.when) or "nothing"
    newest = situation.newest
    if newest is not None and (newest.drifting or newest.worse):
        what = ", ".join(newest.drifting[:3]) or "the score"
        return (
            f"No update: {what} is as it was when an update was last considered, and fewer than a "
            "quarter more rows have come since."
        )
    return f"No update: none of its triggers ({when}) sees a reason."


def _day(ms: int) -> str:
    return (
        datetime.fromtimestamp(ms / 1000, tz=UTC).strftime("%Y-%m-%d %H:%M").removesuffix(" 00:00")
    )
