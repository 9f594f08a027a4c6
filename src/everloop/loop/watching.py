"""Looking at a loop's traffic, and doing what its update policy makes of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from everloop.data.merge import by_time
from everloop.data.pseudonyms import PURPOSE
from everloop.data.schema import Schema
from everloop.errors import Conflict, NotFound
from everloop.evaluate.costs import metric_of
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.considered import found_params, last_considered, trainable_rows
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import Declaration
from everloop.loop.hiding import profile_as_logged, schema_as_logged
from everloop.loop.judging import judging_of
from everloop.loop.losses import tell_clock, tell_damage, tell_losses, tell_unread
from everloop.loop.project import Project
from everloop.loop.sources import read_sources
from everloop.loop.steps import PLANS
from everloop.memory import give_back
from everloop.monitor.estimation.heldout import HELD_OUT, HeldOut, read_held_out
from everloop.monitor.multivariate.matrix import MOST_ROWS
from everloop.monitor.performance import Baseline, Score
from everloop.monitor.profile import Profile, read_profile
from everloop.monitor.quality.expectations import Expectations, learn, read_expectations
from everloop.monitor.spec import LogSpec
from everloop.monitor.windows import Alert
from everloop.registry.models import ModelVersion
from everloop.update.decide import Decision, decide, needs_probe
from everloop.update.situation import Situation, gather

REFERENCE = "profile.json"
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


class Reference(msgspec.Struct, frozen=True):
    """What the champion's traffic is compared with."""

    digest: str
    schema: Schema
    profile: Profile
    baseline: Baseline | None
    log: LogSpec  # that schema and profile are as logged by
    sample: pl.DataFrame | None = None  # some of the training rows, by time
    held: HeldOut | None = None  # the features in the clear of its held-out rows
    tested: dict[str, Any] = {}  # what the evaluate step found


# One champion's reference per loop; the identity of its profile marks what was seen.
_references: dict[tuple[str, str], Reference] = {}


def look(project: Project, declaration: Declaration, actor: str | None) -> Looked:
    """Ship the log, evaluate closed windows, decide; with an ``actor``, act on the decision."""
    try:
        return _look(project, declaration, actor)
    finally:
        give_back()


def _look(project: Project, declaration: Declaration, actor: str | None) -> Looked:
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
    if REFERENCE not in champion.files:
        return Looked(shipped, [], Decision("none", UNKNOWN))
    reference = reference_of(project, champion, declaration.monitor.log)
    project.watch.tick(
        declaration.endpoint,
        reference.schema,
        reference.profile,
        reference.baseline,
        declaration.monitor,
        score_of(reference, declaration.evaluate),
        sample=reference.sample if declaration.monitor.multivariate else None,
        judging=judging_of(
            declaration.evaluate, reference.schema, reference.held, reference.tested
        ),
        expected=expectations_file(project, declaration, reference.schema),
    )
    project.alerts.route(declaration.endpoint, declaration.monitor)
    considered, last_cycle = last_considered(project, declaration)
    situation = gather(
        project.windows,
        declaration.endpoint,
        trainable_rows(project, declaration, champion),
        considered,
        last_cycle,
    )
    if situation is None:
        return Looked(shipped, [], Decision("none", "No update: no window is over yet."))
    decision = decide(situation, declaration.update)
    alerts = _new_alerts(project, declaration, situation)
    cycle = None
    if actor is not None and newest and newest[0].finished is not None:
        acting = _Acting(project, declaration, champion, situation, actor, newest[0].number)
        cycle = _act(acting, decision)
    return Looked(shipped, alerts, decision, cycle)


def expectations_file(
    project: Project, declaration: Declaration, schema: Schema
) -> Expectations | None:
    """What the file says that a person edits; None without one."""
    path = project.dir / declaration.monitor.expectations
    if not path.is_file():
        return None
    return read_expectations(path, tuple(schema.names))


def expectations_of(project: Project, declaration: Declaration) -> Expectations:
    """The file's expectations, or else those that the champion's training rows let learn.

    Raises :class:`~everloop.errors.NotFound` before there is a champion.
    """
    champion = project.champion(declaration.name)
    if champion is None:
        raise NotFound(f"loop {declaration.name}: has no champion to learn from yet.")
    reference = reference_of(project, champion, declaration.monitor.log)
    written = expectations_file(project, declaration, reference.schema)
    return written or learn(reference.profile, reference.sample)


def _new_alerts(project: Project, declaration: Declaration, situation: Situation) -> list[Alert]:
    wanted = {told.id for told in situation.alerts}
    found = project.windows.alerts(declaration.endpoint, limit=1000)
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
    project, champion = acting.project, acting.champion
    cause = {
        **decision.cause,
        "rows": acting.situation.rows,
        "probe": needs_probe(acting.situation, acting.declaration.update),
        "situation": msgspec.to_builtins(acting.situation),
        "keep": {"algorithm": champion.algorithm, "params": found_params(project, champion)},
    }
    cycle = acting.begin(cause, PLANS["update"])
    if cycle is not None:
        with project.db.write() as conn:
            project.windows.link(conn, decision.cause.get("alerts", []), cycle.id)
    return cycle


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
    cause = {**decision.cause, "kind": "quality", "window": window, "reason": decision.reason}
    try:
        return acting.project.cycles.refuse(
            acting.declaration.name,
            cause=cause,
            reason=decision.reason,
            evidence=decision.evidence,
            actor=acting.actor,
            after=acting.after,
        )
    except Conflict:
        return None


def reference_of(project: Project, champion: ModelVersion, log: LogSpec) -> Reference:
    """What a champion's traffic is compared with, read from its package once."""
    key = (str(project.dir), champion.model)
    known = _references.get(key)
    digest = champion.package_digest()
    if known is None or (known.digest, known.log) != (digest, log):
        folder, package = project.package(champion)
        profile = read_profile((folder / REFERENCE).read_bytes())
        schema = package.schema
        held = _held_out(folder, log)
        if log.hidden:
            secret = project.keys.derive(PURPOSE)
            schema = schema_as_logged(schema, log, secret)
            profile = profile_as_logged(profile, schema, log, secret)
        sample = _sample(project, champion, schema, log)
        tested = _tested(project, champion)
        baseline = _baseline(tested)
        known = Reference(digest, schema, profile, baseline, log, sample, held, tested)
        _references[key] = known
    return known


def _sample(
    project: Project, champion: ModelVersion, schema: Schema, log: LogSpec
) -> pl.DataFrame | None:
    """Training rows for tests of all features together, without the features the log hides."""
    made = project.cycles.step(champion.cycle or "", "snapshot")
    if made is None or made.result is None or not champion.dataset:
        return None
    try:
        rows = project.datasets.sample(champion.dataset, int(made.result["train_rows"]), MOST_ROWS)
    except (NotFound, KeyError):  # forgotten since, or a policy, which has no rows
        return None
    told = [n for n in schema.names if n in rows.columns and n not in log.hidden]
    return by_time(rows, schema.time).select(told)


def _held_out(folder: Path, log: LogSpec) -> HeldOut | None:
    """The champion's held-out rows; None of a version that was made elsewhere."""
    file = folder / HELD_OUT
    return read_held_out(file.read_bytes()).without(log.hidden) if file.exists() else None


def _tested(project: Project, champion: ModelVersion) -> dict[str, Any]:
    step = project.cycles.step(champion.cycle or "", "evaluate")
    return (step.result if step is not None else None) or {}


def _baseline(found: dict[str, Any]) -> Baseline | None:
    """The champion's score on its held-out rows, greater is better."""
    if not found:
        return None
    name = found["metric"]
    if not get_metric(name).needs_labels:
        return None  # nothing was known about right and wrong
    tested = found["metrics"][name]
    if get_metric(name).greater_is_better:
        return Baseline(name, tested["value"], tested["low"], tested["high"])
    return Baseline(name, -tested["value"], -tested["high"], -tested["low"])


def score_of(reference: Reference, spec: EvaluateSpec) -> Score | None:
    """What answers are judged by, greater is better; None where nothing is known about them."""
    baseline = reference.baseline
    return None if baseline is None else metric_of(spec, reference.schema, baseline.metric).score
