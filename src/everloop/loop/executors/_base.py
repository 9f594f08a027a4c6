"""Where the heavy steps of a cycle run.

``run`` is called from one thread at a time for one cycle and blocks until the step's outcome is
there. It raises :class:`everloop.errors.EverloopError` as the step raised it, and
:class:`~everloop.loop.executors.WorkerLost` when the place it ran in died or was ended at one of
the task's limits; the caller may then call again, since steps are idempotent. What the step writes
to the database it writes under the task's lease. ``stop`` and ``close`` may be called from any
thread and end what is running: of one cycle, and all of it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path

import msgspec

from everloop.loop.steps import Outcome, Report
from everloop.store.leases import Lease


class Task(msgspec.Struct, frozen=True):
    """One step of one cycle, and what it may take: seconds, and megabytes of memory."""

    cycle: str
    step: str
    lease: Lease
    seconds: float | None = None
    megabytes: float | None = None


class Executor(ABC):
    """Runs worker steps of cycles of one project, ``slots`` of them at a time."""

    slots = 1

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def run(self, task: Task, report: Report) -> Outcome:
        """Run one step of a cycle to its end and return its outcome."""

    def warm(self) -> None:  # noqa: B027 - not every executor has something to start
        """Get ready for a step that will come soon; returns at once."""

    def stop(self, cycle: str) -> None:  # noqa: B027 - not every executor can
        """End what runs for a cycle."""

    def close(self) -> None:  # noqa: B027 - not every executor holds something
        """End what is running and let go of what is held."""
