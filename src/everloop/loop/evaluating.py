"""What a champion's traffic is compared with, and evaluating its windows by that."""

from __future__ import annotations

import importlib
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl

from everloop.data.merge import by_time
from everloop.data.pseudonyms import PURPOSE
from everloop.data.schema import Schema
from everloop.errors import NotFound
from everloop.evaluate.costs import metric_of
from everloop.evaluate.metrics import get_metric
from everloop.evaluate.spec import EvaluateSpec
from everloop.loop.declaration import Declaration
from everloop.loop.hiding import profile_as_logged, schema_as_logged
from everloop.loop.judging import judging_of
from everloop.loop.project import Project
from everloop.loop.realised import due
from everloop.monitor.estimation.heldout import HELD_OUT, HeldOut, read_held_out
from everloop.monitor.performance import Baseline, Scores
from everloop.monitor.profile import Profile, read_profile
from everloop.monitor.quality.expectations import Expectations, learn, read_expectations
from everloop.monitor.spec import LogSpec
from everloop.registry.models import ModelVersion
from everloop.store.clock import now_ms

REFERENCE = "profile.json"
SAMPLE = 20_000  # training rows that tests of several features together are shown


@dataclass(frozen=True)
class Reference:
    """What the champion's traffic is compared with; ``profile`` is None where nothing says what
    its rows are like, ``baseline`` where it was not tested here.

    Its rows are read when they are asked for: a server that evaluates nothing holds none.
    """

    project: Project
    champion: ModelVersion
    folder: Path  # of its package
    digest: str
    schema: Schema
    profile: Profile | None
    baseline: Baseline | None
    log: LogSpec  # that schema and profile are as logged by
    tested: dict[str, Any]  # what the evaluate step found

    @cached_property
    def sample(self) -> pl.DataFrame | None:
        """Some training rows, by time, for tests of all features together; without the features
        that the log hides."""
        champion, project = self.champion, self.project
        made = project.cycles.step(champion.cycle or "", "snapshot")
        if made is None or made.result is None or not champion.dataset:
            return None
        try:
            rows = project.datasets.sample(champion.dataset, int(made.result["train_rows"]), SAMPLE)
        except (NotFound, KeyError):  # forgotten since, or a policy, which has no rows
            return None
        hidden = self.log.hidden
        told = [n for n in self.schema.names if n in rows.columns and n not in hidden]
        return by_time(rows, self.schema.time).select(told)

    @cached_property
    def held(self) -> HeldOut | None:
        """The features in the clear of its held-out rows; None of a version made elsewhere."""
        file = self.folder / HELD_OUT
        return read_held_out(file.read_bytes()).without(self.log.hidden) if file.exists() else None


# One champion's reference per loop.
_references: dict[tuple[str, str], Reference] = {}
_asked: dict[str, tuple[Project, Any]] = {}  # by loop: what was known when it was last asked for


def evaluate(project: Project, declaration: Declaration, now: int | None = None) -> None:
    """Evaluate the windows of a loop's endpoint that are over or whose labels are due.

    ``now`` as :meth:`Watch.tick` has it.
    """
    champion = project.champion(declaration.name)
    if champion is None:
        return
    reference = reference_of(project, champion, declaration.monitor.log)
    wanted = declaration.monitor.multivariate or declaration.monitor.within
    project.watch.tick(
        declaration.endpoint,
        reference.schema,
        reference.profile,
        reference.baseline,
        declaration.monitor,
        scores_of(reference, declaration.evaluate),
        now,
        sample=reference.sample if wanted else None,
        judging=replace(
            judging_of(declaration.evaluate, reference.schema, reference.held, reference.tested),
            version=champion.version,
            versions=frozenset(v.version for v in project.registry.versions(declaration.name)),
        ),
        expected=expectations_file(project, declaration, reference.schema),
    )
    if due(project, declaration):
        # Asking a version needs the models' runtime, which the control plane does without.
        importlib.import_module("everloop.loop.realising").realise(project, declaration)


def evaluate_where_it_fits(
    project: Project, declaration: Declaration, champion: ModelVersion, now: int | None = None
) -> None:
    """The same, in the process that the project has for it, if a window waits for it."""
    elsewhere = project.windows_elsewhere
    if elsewhere is None:
        evaluate(project, declaration, now)
        return
    reference = reference_of(project, champion, declaration.monitor.log)
    endpoint, spec = declaration.endpoint, declaration.monitor
    digest = None if reference.profile is None else reference.profile.digest
    extent = project.log.extent(endpoint)
    state = (extent, extent and min(extent.last, now_ms()), spec, digest)
    # A window of rows that only shadow versions answered waits for ever; it is asked for once.
    if _asked.get(declaration.name) != (project, state):
        waits = project.watch.waits(endpoint, spec, digest)
        if waits or due(project, declaration):
            if declaration.update.when and project.pauses.of(declaration.name) is None:
                project.step_soon()  # what the windows say may be the word for an update
            elsewhere(declaration.name)
        _asked[declaration.name] = (project, state)


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

    Raises :class:`~everloop.errors.NotFound` before there is a champion, and for one that was
    made elsewhere without rows to learn from.
    """
    champion = project.champion(declaration.name)
    if champion is None:
        raise NotFound(f"loop {declaration.name}: has no champion to learn from yet.")
    reference = reference_of(project, champion, declaration.monitor.log)
    written = expectations_file(project, declaration, reference.schema)
    if written is not None:
        return written
    if reference.profile is None:
        raise NotFound(
            f"loop {declaration.name}: its champion was made elsewhere, and nothing says what its "
            "rows are like.",
            fix="everloop register with --data does.",
        )
    return learn(reference.profile, reference.sample)


def reference_of(project: Project, champion: ModelVersion, log: LogSpec) -> Reference:
    """What a champion's traffic is compared with, read from its package once."""
    key = (str(project.dir), champion.model)
    known = _references.get(key)
    digest = champion.package_digest()
    if known is None or (known.project, known.digest, known.log) != (project, digest, log):
        folder, package = project.package(champion)
        told = (folder / REFERENCE).read_bytes() if REFERENCE in champion.files else None
        profile = None if told is None else read_profile(told)
        schema = package.schema
        if log.hidden:
            secret = project.keys.derive(PURPOSE)
            schema = schema_as_logged(schema, log, secret)
            profile = profile and profile_as_logged(profile, schema, log, secret)
        tested = _tested(project, champion)
        baseline = _baseline(tested)
        known = Reference(project, champion, folder, digest, schema, profile, baseline, log, tested)
        _references[key] = known
    return known


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


def scores_of(reference: Reference, spec: EvaluateSpec) -> Scores:
    """What answers are judged by, greater is better, by the name of a metric."""
    return lambda name: metric_of(spec, reference.schema, name).score
