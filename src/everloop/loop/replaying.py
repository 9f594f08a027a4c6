"""A cycle's decisions again, from what was recorded of them, and whether they come out the same.

Nothing is measured and nothing is read but the cycle and its steps: the situation and the policy
that it began with, what the probe found of which method, and what the gates found. All are judged
by the same pure functions that judged then.
"""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import Conflict
from everloop.evaluate.gates import GateResult
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle
from everloop.loop.steps._verdict import blessed
from everloop.update.decide import Decision, decide, needs_probe
from everloop.update.situation import Situation
from everloop.update.spec import UpdateSpec
from everloop.update.tried import Tried, taken
from everloop.update.worth import Worth

CAUSE = ("kind", "triggers", "reason", "alerts", "features", "at")


class Difference(msgspec.Struct, frozen=True):
    """One field, as it was recorded and as it comes out now."""

    field: str
    recorded: Any
    again: Any


class Judged(msgspec.Struct, frozen=True):
    """One decision: what was asked, what comes out now, and what of it differs."""

    question: str
    answer: str
    differences: list[Difference] = []


class Replayed(msgspec.Struct, frozen=True):
    """All decisions of a cycle that rest on recorded evidence."""

    cycle: str
    loop: str
    number: int
    verdict: str | None
    agrees: bool
    decisions: list[Judged]


def replay(cycle: Cycle, steps: list[Step]) -> Replayed:
    """Decide everything again.

    Raises :class:`~everloop.errors.Conflict` for a cycle with no evidence to decide from: a person
    deployed or tested a version, or it has not come so far.
    """
    results = {step.step: step.result or {} for step in steps}
    try:
        again = [
            _refused(cycle),
            _begun(cycle),
            _chosen(results),
            _probed(cycle, results),
            _tested(cycle, results),
        ]
    except (KeyError, msgspec.ValidationError) as error:
        raise Conflict(
            f"cycle {cycle.number}: its evidence was recorded by another version of everloop and "
            f"cannot be read ({error}).",
            code="other_version", path="cycle", got=cycle.number,
        ) from None  # fmt: skip
    found = [judged for judged in again if judged is not None]
    if not found:
        raise Conflict(
            f"cycle {cycle.number}: nothing was decided from evidence, so nothing can be replayed.",
            code="nothing_to_replay", path="cycle", got=cycle.number,
            fix="everloop history shows what it did.",
        )  # fmt: skip
    agrees = not any(judged.differences for judged in found)
    return Replayed(cycle.id, cycle.loop, cycle.number, cycle.verdict, agrees, found)


def _refused(cycle: Cycle) -> Judged | None:
    """A refusal is a cycle without steps, which keeps all it was made from as its evidence."""
    kept = cycle.evidence or {}
    if cycle.verdict != "refused" or not {"situation", "policy"} <= kept.keys():
        return None
    again = decide(
        msgspec.convert(kept["situation"], Situation), msgspec.convert(kept["policy"], UpdateSpec)
    )
    recorded = {"action": "refuse", "reason": cycle.reason}
    now = {"action": again.action, "reason": again.reason}
    return Judged("Is the newest data sound?", again.reason, differing(recorded, now))


def _begun(cycle: Cycle) -> Judged | None:
    found = _situated(cycle)
    if found is None or "decision" not in cycle.cause:
        return None
    situation, policy = found
    again = decide(situation, policy)
    recorded = {
        "action": "cycle",
        "reason": cycle.cause["decision"],
        "cause": {name: cycle.cause.get(name) for name in CAUSE},
        "probe": cycle.cause.get("probe"),
    }
    now = {
        "action": again.action,
        "reason": again.reason,
        "cause": {name: again.cause.get(name) for name in CAUSE},
        "probe": needs_probe(situation, policy),
    }
    return Judged("Does anything ask for an update?", again.reason, differing(recorded, now))


def _probed(cycle: Cycle, results: dict[str, dict[str, Any]]) -> Judged | None:
    probe, found = results.get("probe", {}), _situated(cycle)
    if found is None or "action" not in probe:
        return None
    probed = {
        "worth": msgspec.convert(probe["worth"], Worth),
        "method": (probe.get("method") or {}).get("name", "retrain"),
    }
    again = decide(msgspec.structs.replace(found[0], **probed), found[1])
    recorded = {name: probe[name] for name in ("action", "reason", "weighed")}
    recorded |= _end_of(cycle, probe)
    goes_on = again.action == "cycle"
    now = _said(again) | _ended(*(None, None) if goes_on else ("not_worth_it", again.reason))
    return Judged("Would a new model be better?", again.reason, differing(recorded, now))


def _chosen(results: dict[str, dict[str, Any]]) -> Judged | None:
    """Which method, from the probe's table of them."""
    probe = results.get("probe", {})
    table = msgspec.convert(probe.get("tried", []), list[Tried])
    recorded = next((place for place, one in enumerate(table) if one.chosen), None)
    if recorded is None or table[recorded].gain is None:
        return None
    again = taken(table, probe["worth"]["needed"])
    now = {} if again is None else _method(table[again])
    why = probe["method"]["why"] if again == recorded else f"{now.get('method', 'none')} is taken."
    return Judged("By which method?", why, differing(_method(table[recorded]), now))


def _method(one: Tried) -> dict[str, Any]:
    return {"method": one.method, "window": one.window, "version": one.version}


def _tested(cycle: Cycle, results: dict[str, dict[str, Any]]) -> Judged | None:
    tested = results.get("evaluate", {})
    if not tested.get("gates"):
        return None
    gates = [msgspec.convert(gate, GateResult) for gate in tested["gates"]]
    blessing, end = blessed(gates, str(cycle.cause["kind"]))
    recorded = {"asks": tested.get("asks"), **_end_of(cycle, tested)}
    now = {"asks": [gate.detail for gate in blessing.asks]}
    now |= _ended(end.verdict, end.reason) if end else _ended(None, None)
    passed = sum(gate.verdict == "pass" for gate in gates)
    answer = end.reason if end else f"{passed} of {len(gates)} gates pass, and none refuses it."
    return Judged("Do the gates let it pass?", answer, differing(recorded, now))


def _situated(cycle: Cycle) -> tuple[Situation, UpdateSpec] | None:
    if not {"situation", "policy"} <= cycle.cause.keys():
        return None
    return (
        msgspec.convert(cycle.cause["situation"], Situation),
        msgspec.convert(cycle.cause["policy"], UpdateSpec),
    )


def _said(decision: Decision) -> dict[str, Any]:
    weighed = msgspec.to_builtins(decision.weighed)
    return {"action": decision.action, "reason": decision.reason, "weighed": weighed}


def _end_of(cycle: Cycle, result: dict[str, Any]) -> dict[str, Any]:
    """The end that a step put to its cycle, and what the cycle says of it."""
    end = result.get("end")
    if end is None:
        return _ended(None, None)
    return _ended(cycle.verdict or end["verdict"], cycle.reason or end["reason"])


def _ended(verdict: str | None, reason: str | None) -> dict[str, Any]:
    return {"end": {"verdict": verdict, "reason": reason}}


def differing(recorded: Any, again: Any, field: str = "") -> list[Difference]:
    """Each field that differs, by its path; numbers must be the very same."""
    if isinstance(recorded, dict) and isinstance(again, dict):
        out = []
        for name in sorted({*recorded, *again}):
            path = f"{field}.{name}" if field else name
            out += differing(recorded.get(name), again.get(name), path)
        return out
    same = msgspec.to_builtins(recorded) == msgspec.to_builtins(again)
    return [] if same else [Difference(field, recorded, again)]
