"""Which process runs the cycles of a folder: the one that holds ``.everloop/controller.lock``."""

from __future__ import annotations

import fcntl
from pathlib import Path
from typing import TextIO

from everloop.errors import Conflict
from everloop.loop.project import Project


def take(project: Project) -> TextIO:
    """The lock, held until the file is closed or this process ends.

    Raises :class:`~everloop.errors.Conflict` when another process holds it.
    """
    busy = Conflict(
        "controller: another process runs the cycles of this folder.", code="controller_busy"
    )
    return hold(project.state / "controller.lock", busy)


def hold(path: Path, busy: Conflict) -> TextIO:
    """The file, locked until it is closed or this process ends; raises ``busy`` otherwise."""
    file = path.open("a+")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.close()
        raise busy from None
    return file


def is_free(project: Project) -> bool:
    """Whether no process runs the cycles of the folder at this moment."""
    try:
        take(project).close()
    except Conflict:
        return False
    return True
