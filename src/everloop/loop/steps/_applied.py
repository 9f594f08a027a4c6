"""Waiting for the data plane to do what was published."""

from __future__ import annotations

import time

from everloop.loop.project import Project


def wait_applied(project: Project, revision: int, seconds: float) -> bool | None:
    """True when the data plane answers as published; None when there is none on this folder."""
    deadline = time.monotonic() + seconds
    while (status := project.serving()) is not None:
        if status.revision >= revision:
            return True
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return None
