"""One version of a model: what its report found, and what it can be asked."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.console.models.beside import toml_of
from everloop.console.models.diffs import Line, diff_lines
from everloop.console.models.made import Measured, measured_of, recipe_of
from everloop.console.models.packaged import Packaged, read_packaged
from everloop.data.versions import DatasetVersion
from everloop.errors import EverloopError, NotFound
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.evaluate.report._base import Report
from everloop.evaluate.report.html import read_report
from everloop.loop.batches.records import Finished
from everloop.loop.lineage import Lineage, version_lineage
from everloop.loop.project import Project
from everloop.loop.reports import report_file
from everloop.registry.records import ModelVersion
from everloop.store.clock import now_ms
from everloop.tracking.moving.queue import Move
from everloop.train.bases import Base, parse_base

SHOWN = 12  # features
MOVES, BATCHES = 50, 10
MOST_PARENTS = 20
BESIDE = 20


class Training(msgspec.Struct, frozen=True):
    """What the training was made with; ``changes`` is what no commit holds, line by line."""

    commit: str | None
    changes: list[Line]
    command: list[str]
    seed: int
    environment: dict[str, str]
    declaration: str


class Looked(msgspec.Struct, frozen=True):
    """A feature, and how much it counts; ``share`` is of the largest, 0 to 1."""

    feature: str
    size: float
    share: float


class VersionPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/models/NAME/versions/N.json``.

    ``importances`` are by permutation, ``shapley`` the mean size of each feature's Shapley values;
    ``features`` are the columns that a row to explain needs. ``asked`` are batches of predictions
    that are under way or failed, ``batches`` those that are whole. ``lineage`` are the versions
    that it was made from, the nearest first, and ``graph`` all it came from and went to.
    ``beside`` are versions that it can be compared with, the one before it first.
    """

    at: int
    version: ModelVersion
    serves: bool
    report: Report | None
    importances: list[Looked]
    shapley: list[Looked]
    features: list[str]
    asked: list[Move]
    batches: list[Finished]
    lineage: list[Base]
    graph: Lineage
    packaged: Packaged
    measured: Measured
    training: Training | None
    dataset: DatasetVersion | None
    beside: list[int]


class LineagePage(msgspec.Struct, frozen=True):
    """The page of a version's lineage alone, and its JSON."""

    at: int
    version: ModelVersion
    graph: Lineage


class AnswerPage(msgspec.Struct, frozen=True):
    """What a version answered to one question; the parts of other questions are None."""

    at: int
    version: ModelVersion
    asked: dict[str, Any]
    dependence: Dependence | None = None
    explanation: dict[str, Any] | None = None
    change: Counterfactual | None = None
    fairness: Mitigated | None = None


def read_version(project: Project, model: str, number: int) -> VersionPage:
    """Raises :class:`~everloop.errors.NotFound` when there is no such version."""
    version = project.registry.version(model, number)
    try:
        report = read_report(report_file(project, version, "json"))
    except (NotFound, msgspec.ValidationError):  # of a client's version, or of an older everloop
        report = None
    important = [] if report is None else [(i.feature, i.drop) for i in report.importances]
    sizes = [] if report is None or report.shapley is None else report.shapley.sizes
    columns = report.data.columns if report is not None and report.data is not None else []
    packaged = read_packaged(project, version)
    return VersionPage(
        at=now_ms(),
        version=version,
        serves=number in project.registry.serving(model),
        report=report,
        importances=_looked(important),
        shapley=_looked(sizes),
        features=[column.name for column in columns] or _features(packaged),
        asked=_asked(project, version),
        batches=_batches(project, version),
        lineage=_lineage(project, version),
        graph=version_lineage(project, version),
        packaged=packaged,
        measured=measured_of(project, version),
        training=_training(project, version),
        dataset=_dataset(project, version),
        beside=_beside(project, version),
    )


def read_lineage(project: Project, model: str, number: int) -> LineagePage:
    """Raises :class:`~everloop.errors.NotFound` when there is no such version."""
    version = project.registry.version(model, number)
    return LineagePage(now_ms(), version, version_lineage(project, version))


def _features(packaged: Packaged) -> list[str]:
    return [] if packaged.schema is None else list(packaged.schema.names)


def _training(project: Project, version: ModelVersion) -> Training | None:
    made = recipe_of(project, version)
    if made is None:
        return None
    return Training(
        made.commit, diff_lines(made.diff or ""), made.command, made.seed, made.environment,
        toml_of(made.declaration),
    )  # fmt: skip


def _dataset(project: Project, version: ModelVersion) -> DatasetVersion | None:
    try:
        return None if version.dataset is None else project.datasets.get(version.dataset)
    except NotFound:
        return None


def _beside(project: Project, version: ModelVersion) -> list[int]:
    """The newest versions of the model but this, the one before it first."""
    number = version.version
    newest = project.registry.versions(version.model, limit=BESIDE)
    older = project.registry.versions(version.model, before=number, limit=1)
    found = [one.version for one in (*older, *newest) if one.version != number]
    return list(dict.fromkeys(found))


def _lineage(project: Project, version: ModelVersion) -> list[Base]:
    found: list[Base] = []
    while (text := version.tags.get("parent")) and len(found) < MOST_PARENTS:
        try:
            found.append(parse_base(text))
            version = project.registry.version(*found[-1])
        except EverloopError:  # deleted, or a tag of somebody's own
            break
    return found


def _asked(project: Project, version: ModelVersion) -> list[Move]:
    """What a server was asked for; an alias means the version that it points at now."""
    names = {version.model, f"{version.model}/{version.version}"}
    names |= {f"{version.model}@{alias}" for alias in version.aliases}
    moves = project.moves.page("predict", MOVES).items
    return [m for m in moves if m.state != "done" and m.options["model"] in names]


def _batches(project: Project, version: ModelVersion) -> list[Finished]:
    events = project.events.latest(BATCHES, subject=f"batch:{version.model}/{version.version}")
    return [msgspec.convert(event.payload, Finished) for event in events]


def _looked(sizes: list[tuple[str, float]]) -> list[Looked]:
    most = max((size for _, size in sizes), default=0.0) or 1.0
    return [Looked(name, size, max(0.0, size / most)) for name, size in sizes[:SHOWN]]
