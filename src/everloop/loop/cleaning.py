"""Freeing what was deleted."""

from __future__ import annotations

from pathlib import Path

from everloop.durations import milliseconds
from everloop.loop.project import Project
from everloop.settings import Settings
from everloop.tracking.deletion.collection import Collected, Progress


def gc(
    dir: Path | str = ".",
    *,
    older_than: str = "30d",
    dry_run: bool = False,
    on_progress: Progress | None = None,
    settings: Settings | None = None,
) -> Collected:
    """Free what was deleted: its rows, its names, and the files that nothing else uses.

    Until then deleted runs, logged models and experiments can be restored. It may run beside a
    server and be stopped at any time; the next one goes on.

    Parameters
    ----------
    dir : the project's folder.
    older_than : only what was deleted longer ago than this, as ``30d``.
    dry_run : count what would go, delete nothing.
    on_progress : hears of progress.

    Returns
    -------
    How much is gone, or would be.
    """
    age = milliseconds(older_than, "older_than")
    with Project.open(dir, settings) as project:
        return project.gc(age, dry_run=dry_run, on_progress=on_progress)
