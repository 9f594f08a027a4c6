"""Everything that a person needs to decide on a cycle, in one value.

The console's page, ``everloop decision``, HTTP and Python all show this. It is read from what the
steps have recorded; nothing is measured again.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from everloop.deploy.checked import changed
from everloop.deploy.spec import RolloutSpec
from everloop.errors import EverloopError
from everloop.evaluate.fairness.groups import Fairness
from everloop.evaluate.report._base import Slices
from everloop.loop.approving import Decision, waits_for
from everloop.loop.cycle_steps import HEAVY, Step
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.project import Project
from everloop.loop.reports import cycle_report
from everloop.store.clock import now_ms

MOST_NAMES = 8  # in one sentence of what changed


class CaseData(msgspec.Struct, frozen=True):
    """The rows that made the version. ``leaks`` and ``changed`` are sentences.

    ``quarantined`` counts the windows whose labels were kept out of the training rows; ``changed``
    says what is different from the champion's rows, columns, algorithm and parameters.
    """

    dataset: str | None
    rows: int | None
    train_rows: int | None
    test_rows: int | None
    split: str
    quarantined: int
    leaks: list[str]
    notes: list[str]
    changed: list[str]


class CaseCost(msgspec.Struct, frozen=True):
    """Seconds of compute that the cycle took so far, and in money where an hour has a price."""

    seconds: float
    money: float | None


class Back(msgspec.Struct, frozen=True):
    """What "roll back" does now: end the trial, or deploy the version before."""

    do: Literal["end_trial", "deploy"]
    version: int


class Case(msgspec.Struct, frozen=True):
    """A cycle before the people who decide on it.

    Metrics are ``{value, low, high, n}`` by name, ``comparison`` is the new version against the
    champion on the same rows. ``probe`` and ``weighed`` are the expected gain and what it is
    worth; ``method`` says how the model is made, ``tried`` what else was probed. ``plan`` says in
    sentences what follows a yes. ``holders`` are the people of each role that is asked for.
    ``waits`` is a clause on whom it waits for; empty when for nobody.
    """

    at: int
    cycle: Cycle
    waits: str
    decision: Decision | None
    version: int | None
    algorithm: str | None
    params: dict[str, Any]
    method: dict[str, Any] | None
    tried: list[dict[str, Any]]
    champion: int | None
    alerts: list[dict[str, Any]]
    metric: str | None
    rows: int | None
    metrics: dict[str, dict[str, Any]]
    champion_metrics: dict[str, dict[str, Any]]
    comparison: dict[str, Any] | None
    gates: list[dict[str, Any]]
    slices: Slices | None
    fairness: list[Fairness]
    probe: dict[str, Any] | None
    weighed: dict[str, Any] | None
    cost: CaseCost
    data: CaseData
    plan: list[str]
    holders: dict[str, list[str]]
    back: Back | None
    report: bool


def read_case(project: Project, cycle_id: str) -> Case:
    """Raises :class:`~everloop.errors.NotFound`."""
    cycle = project.cycles.get(cycle_id)
    declaration = project.cycles.declaration(cycle.loop)
    steps = project.cycles.steps(cycle.id)
    results = {step.step: step.result or {} for step in steps}
    tested, trained = results.get("evaluate", {}), results.get("train", {})
    probed, situation = results.get("probe", {}), cycle.cause.get("situation")
    decision = project.decisions.of(cycle.id)
    slices, fairness = _reported(project, cycle) if tested.get("report") else (None, [])
    version = results.get("register", {}).get("version") or cycle.cause.get("version")
    return Case(
        at=now_ms(),
        cycle=cycle,
        waits=waits_for(cycle, decision),
        decision=decision,
        version=version,
        algorithm=trained.get("algorithm"),
        params=trained.get("params") or {},
        method=trained.get("method") or probed.get("method") or cycle.cause.get("method"),
        tried=probed.get("tried") or [],
        champion=tested.get("champion"),
        alerts=(situation.get("alerts") or []) if isinstance(situation, dict) else [],
        metric=tested.get("metric"),
        rows=tested.get("rows"),
        metrics=tested.get("metrics") or {},
        champion_metrics=tested.get("champion_metrics") or {},
        comparison=tested.get("comparison"),
        gates=tested.get("gates") or [],
        slices=slices,
        fairness=fairness,
        probe=probed.get("worth"),
        weighed=probed.get("weighed"),
        cost=_cost(steps, declaration),
        data=_data(project, cycle, results),
        plan=_plan(project, declaration, cycle, tested.get("champion")),
        holders=_holders(project, decision),
        back=back_of(project, cycle, results),
        report=bool(tested.get("report")),
    )


def back_of(project: Project, cycle: Cycle, results: dict[str, dict[str, Any]]) -> Back | None:
    """How the cycle's effect is taken back now; None when it has none."""
    rollout = project.rollouts.of_cycle(cycle.id)
    if rollout is not None and not rollout.over:
        return Back("end_trial", rollout.champion)
    done = results.get("promote", {})
    serves = project.registry.alias(cycle.loop, "champion")
    if cycle.verdict != "promoted" or serves != done.get("version") or not done.get("replaced"):
        return None
    return Back("deploy", int(done["replaced"]))


class _Parts(msgspec.Struct, frozen=True):
    """The parts of a report that a decision shows."""

    slices: Slices | None = None
    fairness: list[Fairness] = []


def _reported(project: Project, cycle: Cycle) -> tuple[Slices | None, list[Fairness]]:
    try:
        found = msgspec.json.decode(cycle_report(project, cycle.id), type=_Parts)
    except (EverloopError, msgspec.MsgspecError):
        return None, []  # of another version of everloop, or deleted
    return found.slices, found.fairness


def _cost(steps: list[Step], declaration: Declaration) -> CaseCost:
    took = sum((s.finished or s.started) - s.started for s in steps if s.step in HEAVY) / 1000
    hour = declaration.update.hour
    return CaseCost(took, took / 3600 * hour if hour else None)


def _data(project: Project, cycle: Cycle, results: dict[str, dict[str, Any]]) -> CaseData:
    snapshot = results.get("snapshot", {})
    leaks = snapshot.get("leaks") or []
    sentences = [f"{leak['level']}: {leak['sentence']}" for leak in leaks]
    return CaseData(
        dataset=snapshot.get("dataset"),
        rows=snapshot.get("rows"),
        train_rows=snapshot.get("train_rows"),
        test_rows=snapshot.get("test_rows"),
        split=snapshot.get("split") or "",
        quarantined=len((snapshot.get("origin") or {}).get("quarantined") or []),
        leaks=sentences,
        notes=[note for note in snapshot.get("notes") or [] if note not in sentences],
        changed=_changed(project, cycle, results),
    )


def _changed(project: Project, cycle: Cycle, results: dict[str, dict[str, Any]]) -> list[str]:
    """What is different from what made the champion, in sentences."""
    number = results.get("evaluate", {}).get("champion")
    if number is None:
        return []
    try:
        before = project.registry.version(cycle.loop, number).cycle or ""
    except EverloopError:
        return []
    old = {step.step: step.result or {} for step in project.cycles.steps(before)}
    was, now = old.get("snapshot", {}), results.get("snapshot", {})
    said = []
    if was.get("rows") is not None and now.get("rows") is not None:
        more = now["rows"] - was["rows"]
        said.append(f"{abs(more):,} {'more' if more >= 0 else 'fewer'} rows" if more else (
            "the same rows" if was.get("dataset") == now.get("dataset") else "as many rows, others"
        ))  # fmt: skip
    said += _columns(was.get("schema") or {}, now.get("schema") or {})
    fitted, trained = old.get("train", {}), results.get("train", {})
    if trained and fitted.get("algorithm") != trained.get("algorithm"):
        return [*said, f"{trained.get('algorithm')} instead of {fitted.get('algorithm')}"]
    names = sorted({*fitted.get("params", {}), *trained.get("params", {})})
    pairs = [(n, fitted.get("params", {}).get(n), trained.get("params", {}).get(n)) for n in names]
    moved = [f"{n} {_short(a)} → {_short(b)}" for n, a, b in pairs if a != b]
    return [*said, *_listed("parameters", moved)] if fitted and trained else said


def _columns(was: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if not was or not now:
        return []
    old = {feature["name"]: feature["kind"] for feature in was.get("features", [])}
    new = {feature["name"]: feature["kind"] for feature in now.get("features", [])}
    return [
        *_listed("new columns", [name for name in new if name not in old]),
        *_listed("columns left out", [name for name in old if name not in new]),
        *_listed("other kinds", [n for n in new if n in old and new[n] != old[n]]),
    ]


def _listed(what: str, names: list[str]) -> list[str]:
    if not names:
        return []
    more = f" and {len(names) - MOST_NAMES} more" if len(names) > MOST_NAMES else ""
    return [f"{what}: {', '.join(names[:MOST_NAMES])}{more}"]


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "–" if value is None else str(value)


def _plan(
    project: Project, declaration: Declaration, cycle: Cycle, champion: int | None
) -> list[str]:
    """What follows a yes."""
    spec = changed(declaration.deploy.rollout, cycle.cause.get("rollout", {}))
    if champion is None:
        return ["There is no champion yet: the version answers all traffic at once."]
    if spec.kind == "direct":
        return ["The version answers all traffic at once; nothing is compared (direct)."]
    plan = [_stages(spec)]
    if spec.watch:
        plan.append(f"{', '.join(spec.watch)} can end it and give version {champion} its traffic.")
    if project.serving() is None:
        plan.append("No data plane runs now; without one the version takes over at once.")
    return plan


def _stages(spec: RolloutSpec) -> str:
    kind = spec.kind.replace("_", "/")
    shares = [f"{share:.0%}" for share in spec.steps] if spec.kind == "canary" else []
    if spec.kind in ("ab", "bandit"):
        shares = [f"{spec.share:.0%}"]
    of = f" with {', then '.join(shares)} of the traffic" if shares else ""
    return (
        f"A {kind} rollout{of}; each stage waits for {spec.min_requests} requests or {spec.hold}."
    )


def _holders(project: Project, decision: Decision | None) -> dict[str, list[str]]:
    if decision is None or not decision.rule.roles:
        return {}
    people = project.people.all()
    return {role: [one.name for one in people if role in one.roles] for role in decision.rule.roles}
