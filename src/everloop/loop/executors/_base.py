"""Where the heavy steps of a cycle run.

``run`` is called from one thread at a time for one cycle and blocks until the step's outcome is
there. It raises :class:`everloop.errors.EverloopError` as the step raised it, and
:class:`~everloop.loop.executors.WorkerLost` when the place it ran in died; the caller may then
call again, since steps are idempotent. ``close`` may be called from any thread and ends what is
running.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

from everloop.loop.steps import Outcome, Report


class Executor(ABC):
    """Runs worker steps of cycles of one project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def run(self, cycle: str, step: str, report: Report) -> Outcome:
        """Run one step of a cycle to its end and return its outcome."""

    def warm(self) -> None:  # noqa: B027 - not every executor has something to start
        """Get ready for a step that will come soon; returns at once."""

    def close(self) -> None:  # noqa: B027 - not every executor holds something
        """End what is running and let go of what is held."""
