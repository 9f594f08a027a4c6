"""Runs: a page of them by filter and order, and one run with all that it logged."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import msgspec

from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.artifacts.paths import check_folder, join, key_of
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.experiments import number_named
from everloop.tracking.records import DatasetUse, ModelUse, Point, Run

ROWS = 50
METRICS, PARAMS = 4, 3
"""Columns of the table: the keys that most of its runs have."""

EXPERIMENTS = 100
FILES = 200
CURVES, STEPS = 4, 200
"""Metrics that are drawn, and steps of each."""


class Asked(msgspec.Struct, frozen=True):
    """What the page was asked for; empty text asks for nothing."""

    experiment: str = ""
    filter: str = ""
    order_by: str = ""
    before: str = ""


class RunsPage(msgspec.Struct, frozen=True):
    """A page of runs, and the JSON at ``/runs.json``; ``next`` is the ``before`` of the next."""

    at: int
    asked: Asked
    experiments: list[str]
    metrics: list[str]
    params: list[str]
    runs: list[Run]
    next: str | None


class RunPage(msgspec.Struct, frozen=True):
    """A run's page, and the JSON beside it.

    ``files`` are those of ``folder``, ``elsewhere`` says why there are none to be listed.
    ``curves`` are metrics with several steps, thinned out.
    """

    at: int
    run: Run
    datasets: list[DatasetUse]
    models: list[ModelUse]
    curves: dict[str, list[Point]]
    folder: str
    files: list[Entry]
    more_files: bool
    elsewhere: str | None


def read_runs_page(project: Project, asked: Asked) -> RunsPage:
    """Runs of one experiment or of all, the newest first unless an order says otherwise.

    Raises :class:`~everloop.errors.InvalidInput` for a filter or an order that cannot be read.
    """
    chosen = [number_named(project.db, asked.experiment)] if asked.experiment else None
    found = project.runs.search(
        chosen,
        asked.filter,
        [part for part in asked.order_by.split(",") if part.strip()],
        limit=ROWS,
        token=asked.before or None,
    )
    runs = found.items
    return RunsPage(
        at=now_ms(),
        asked=asked,
        experiments=_experiments(project, asked.experiment),
        metrics=_common((run.metrics for run in runs), METRICS),
        params=_common((run.params for run in runs), PARAMS),
        runs=runs,
        next=found.next,
    )


def no_runs(project: Project, asked: Asked) -> RunsPage:
    """The page that shows what was asked for beside why it was refused."""
    return RunsPage(now_ms(), asked, _experiments(project, asked.experiment), [], [], [], None)


def read_run_page(project: Project, id: str, folder: str = "") -> RunPage:
    """One run; raises :class:`~everloop.errors.NotFound` when there is none."""
    run = project.runs.get(id)
    used = project.inputs.of([run])[run.id]
    elsewhere, files, more = None, list[Entry](), False
    check_folder(folder)
    try:
        root = key_of(run.location)
    except NotFound as error:
        elsewhere = error.message
    else:
        listed = project.artifacts.list(join(root, folder), FILES)
        files, more = [_inside(root, entry) for entry in listed.items], listed.next is not None
    return RunPage(
        at=now_ms(),
        run=run,
        datasets=used.datasets,
        models=used.models,
        curves=_curves(project, run),
        folder=folder,
        files=files,
        more_files=more,
        elsewhere=elsewhere,
    )


def _experiments(project: Project, chosen: str) -> list[str]:
    names = [one.name for one in project.experiments.search(limit=EXPERIMENTS).items]
    return names if not chosen or chosen in names else [chosen, *names]


def _common(keys: Iterable[Iterable[str]], most: int) -> list[str]:
    """The keys that most have, by name."""
    counted = Counter(key for own in keys for key in own)
    return sorted(sorted(counted, key=lambda key: (-counted[key], key))[:most])


def _curves(project: Project, run: Run) -> dict[str, list[Point]]:
    stepped = sorted(key for key, point in run.metrics.items() if point.step)[:CURVES]
    found = {key: project.runs.sampled([run.id], key, limit=STEPS)[run.id] for key in stepped}
    return {key: points for key, points in found.items() if len(points) > 1}


def _inside(root: str, entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, path=entry.path.removeprefix(root + "/"))
