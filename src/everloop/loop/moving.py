"""Moving between MLflow and a project."""

from __future__ import annotations

from pathlib import Path

from everloop.errors import invalid
from everloop.loop.project import Project
from everloop.settings import Settings
from everloop.tracking.moving.exporting import Export
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.importing import Import, Imported, ImportOptions, Tell
from everloop.tracking.moving.sources.opening import open_source
from everloop.tracking.moving.targets.base import Target
from everloop.tracking.moving.targets.database import DatabaseTarget
from everloop.tracking.moving.targets.rest import RestTarget


def import_mlflow(
    source: str,
    dir: Path | str = ".",
    *,
    artifacts: bool = True,
    artifacts_from: str | None = None,
    merge: bool = False,
    rename_with: str = "",
    checksums: bool = True,
    dry_run: bool = False,
    tell: Tell | None = None,
    settings: Settings | None = None,
) -> Imported:
    """Bring experiments, runs, models and artifacts of an MLflow into a project.

    It may be cut off at any moment and started again; what is here already and equal is left
    alone. The source is only read.

    Parameters
    ----------
    source : ``sqlite:///mlflow.db``, ``postgresql://…``, ``http://host:5000`` or a folder.
    dir : the project's folder.
    artifacts : whether files come too; without them their addresses stay as they are.
    artifacts_from : what ``mlflow-artifacts:`` stands for, a folder or an URL; a server started
        in the folder of its SQLite file is known without.
    merge, rename_with : what is done about names that are taken; without either it is refused.
    checksums : without, what is here already is known by counts and sizes, and not read again.
    dry_run : look at everything, write nothing.
    tell : hears of progress.

    Returns
    -------
    Counts and checksums of both sides; ``ok`` when they are equal.

    Raises
    ------
    InvalidInput, Unavailable : the source is no MLflow, or cannot be read.
    Conflict : names are taken; nothing was written.
    """
    options = ImportOptions(
        artifacts=artifacts, merge=merge, rename_with=rename_with, checksums=checksums
    )
    with Project.open(dir, settings) as project:
        return bring_in(project, source, artifacts_from, options, dry_run=dry_run, tell=tell)


def export_mlflow(
    target: str,
    dir: Path | str = ".",
    *,
    artifacts: bool = True,
    artifacts_to: str | None = None,
    tell: Tell | None = None,
    settings: Settings | None = None,
) -> Imported:
    """Put a project's experiments, runs, models and artifacts into an MLflow.

    A database keeps every id; a server gives runs and logged models new ones, and tags hold those
    that they have here. Again, it adds what is new.

    Parameters
    ----------
    target : ``sqlite:///mlflow.db``, ``postgresql://…`` or ``http://host:5000``. A database gets
        its tables from mlflow, which must be installed when it has none.
    dir : the project's folder.
    artifacts : whether files go too.
    artifacts_to : of a database: the folder that ``mlflow server`` will have as
        ``--artifacts-destination``; ``mlartifacts`` beside a SQLite file when it is not given.
    tell : hears of progress.

    Returns
    -------
    Counts and checksums of both sides; ``ok`` when they are equal.
    """
    with Project.open(dir, settings) as project:
        return send_out(project, target, artifacts_to, artifacts=artifacts, tell=tell)


def bring_in(
    project: Project,
    source: str,
    artifacts_from: str | None,
    options: ImportOptions,
    *,
    dry_run: bool = False,
    tell: Tell | None = None,
    fence: Fence | None = None,
) -> Imported:
    """:func:`import_mlflow` into a project that is open; a ``fence`` says where it may go."""
    opened = open_source(source, artifacts_from, fence)
    try:
        parts = (opened, project.db, project.events, project.artifacts, options)
        work = Import(*parts, tell) if tell else Import(*parts)
        return work.dry_run() if dry_run else work.run()
    finally:
        opened.close()


def send_out(
    project: Project,
    target: str,
    artifacts_to: str | None = None,
    *,
    artifacts: bool = True,
    tell: Tell | None = None,
    fence: Fence | None = None,
) -> Imported:
    """:func:`export_mlflow` of a project that is open; a ``fence`` says where it may go."""
    opened = _open_target(target, artifacts_to, fence)
    try:
        more = {"tell": tell} if tell else {}
        work = Export(project.db, project.artifacts, opened, with_artifacts=artifacts, **more)
        return work.run()
    finally:
        opened.close()


def _open_target(address: str, artifacts_to: str | None, fence: Fence | None) -> Target:
    if fence is not None:
        fence.check("target", address)
    if address.startswith(("http://", "https://")):
        return RestTarget(address, fence)
    if "://" not in address:
        expected = "sqlite:///mlflow.db, postgresql://… or http://host:5000"
        raise invalid("target", address, expected)
    return DatabaseTarget(address, artifacts_to)
