"""One version of a model: what its report found, and what it can be asked."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import EverloopError, NotFound
from everloop.evaluate.explain.counterfactual import Counterfactual
from everloop.evaluate.explain.dependence import Dependence
from everloop.evaluate.fairness.mitigation import Mitigated
from everloop.evaluate.report._base import Report
from everloop.evaluate.report.html import read_report
from everloop.loop.batches.records import Finished
from everloop.loop.project import Project
from everloop.loop.reports import report_file
from everloop.registry.records import ModelVersion
from everloop.store.clock import now_ms
from everloop.tracking.moving.queue import Move
from everloop.train.bases import Base, parse_base

SHOWN = 12  # features
MOVES, BATCHES = 50, 10
MOST_PARENTS = 20


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
    that it was made from, the nearest first.
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
    return VersionPage(
        at=now_ms(),
        version=version,
        serves=number in project.registry.serving(model),
        report=report,
        importances=_looked(important),
        shapley=_looked(sizes),
        features=[column.name for column in columns],
        asked=_asked(project, version),
        batches=_batches(project, version),
        lineage=_lineage(project, version),
    )


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
