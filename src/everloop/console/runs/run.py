"""One run with all that it logged, where it comes from, and what came of it."""

from __future__ import annotations

import msgspec

from everloop.console.runs.again import Again, read_again
from everloop.console.runs.comparison import SYSTEM
from everloop.console.runs.curves import View
from everloop.console.runs.previews import Preview, read_preview
from everloop.errors import NotFound
from everloop.loop.project import Project
from everloop.loop.recipe import Recipe, read_recipe
from everloop.store.clock import now_ms
from everloop.tracking.artifacts.paths import check_folder, check_path, join, key_of
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.records import DatasetUse, Head, ModelUse, Run

FILES = 200
CHARTS = 20
"""Metrics that are drawn; each asks for its points when it comes into sight."""

CHILDREN = 50
PARENT = "mlflow.parentRunId"


class VersionOf(msgspec.Struct, frozen=True):
    """A version that was registered from the run."""

    model: str
    version: int


class Code(msgspec.Struct, frozen=True):
    """How the run came about, as far as it was told."""

    command: str | None
    source: str | None
    commit: str | None
    diff: str | None
    environment: dict[str, str]


class RunPage(msgspec.Struct, frozen=True):
    """A run's page, and the JSON beside it.

    ``charts`` are its metrics with several steps, ``system`` those of the machine among them.
    ``files`` are those of ``folder``, ``elsewhere`` says why there are none to be listed.
    ``again`` is there for a run that a cycle trained.
    """

    at: int
    run: Run
    view: View
    charts: list[str]
    system: list[str]
    undrawn: int
    datasets: list[DatasetUse]
    models: list[ModelUse]
    versions: list[VersionOf]
    parent: Head | None
    children: list[Head]
    more_children: bool
    code: Code
    folder: str
    files: list[Entry]
    more_files: bool
    preview: Preview | None
    elsewhere: str | None
    again: Again | None


def read_run_page(
    project: Project, id: str, folder: str = "", file: str = "", view: View | None = None
) -> RunPage:
    """One run; raises :class:`~everloop.errors.NotFound` when there is none."""
    run = project.runs.get(id)
    used = project.inputs.of([run])[run.id]
    stepped = sorted(key for key, point in run.metrics.items() if point.step)
    own = [key for key in stepped if not key.startswith(SYSTEM)]
    system = [key for key in stepped if key.startswith(SYSTEM)]
    if file and not folder:
        folder = file.rpartition("/")[0]
    files, more, elsewhere = _files(project, run, check_folder(folder))
    parent = run.tags.get(PARENT)
    search = project.runs.search
    found = search([run.experiment_id], f"tags.`{PARENT}` = '{run.id}'", limit=CHILDREN)
    versions = project.registry.search_versions(f"run_id = '{run.id}'", limit=CHILDREN).items
    return RunPage(
        at=now_ms(),
        run=run,
        view=view or View(),
        charts=own[:CHARTS],
        system=system[:CHARTS],
        undrawn=max(0, len(own) - CHARTS) + max(0, len(system) - CHARTS),
        datasets=used.datasets,
        models=used.models,
        versions=[VersionOf(one.model, one.version) for one in versions],
        parent=project.runs.heads([parent]).get(parent) if parent else None,
        children=[Head(one.id, one.name, one.status, one.started) for one in found.items],
        more_children=found.next is not None,
        code=_code(run, _recipe(project, run)),
        folder=folder,
        files=files,
        more_files=more,
        preview=_preview(project, run, file) if file else None,
        elsewhere=elsewhere,
        again=read_again(project, run),
    )


def _files(project: Project, run: Run, folder: str) -> tuple[list[Entry], bool, str | None]:
    """The folder's files, whether there are more, and why there are none to be listed."""
    try:
        root = key_of(run.location)
    except NotFound as error:
        return [], False, error.message
    found = project.artifacts.list(join(root, folder), FILES)
    return [_inside(root, entry) for entry in found.items], found.next is not None, None


def _preview(project: Project, run: Run, file: str) -> Preview:
    entry = project.artifacts.file(join(key_of(run.location), check_path(file)))
    return read_preview(project.artifacts, entry, file)


def _recipe(project: Project, run: Run) -> Recipe | None:
    try:
        return read_recipe(project, run.id)
    except (NotFound, msgspec.DecodeError):  # a file of that name that somebody else stored
        return None


def _code(run: Run, recipe: Recipe | None) -> Code:
    tags = run.tags
    command = " ".join(recipe.command) if recipe else tags.get("command")
    commit = recipe.commit if recipe else tags.get("mlflow.source.git.commit")
    return Code(
        command=command,
        source=tags.get("mlflow.source.name"),
        commit=commit,
        diff=recipe.diff if recipe else None,
        environment=recipe.environment if recipe else {},
    )


def _inside(root: str, entry: Entry) -> Entry:
    return msgspec.structs.replace(entry, path=entry.path.removeprefix(root + "/"))
