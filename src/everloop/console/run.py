"""One run with all that it logged."""

from __future__ import annotations

import msgspec

from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.tracking.artifacts.paths import check_folder, join, key_of
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.records import DatasetUse, ModelUse, Point, Run

FILES = 200
CURVES, STEPS = 4, 200
"""Metrics that are drawn, and steps of each."""


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


def _curves(project: Project, run: Run) -> dict[str, list[Point]]:
    stepped = sorted(key for key, point in run.metrics.items() if point.step)[:CURVES]
    found = {key: project.runs.sampled([run.id], key, limit=STEPS)[run.id] for key in stepped}
    return {key: points for key, points in found.items() if len(points) > 1}


def _inside(root: str, entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, path=entry.path.removeprefix(root + "/"))
