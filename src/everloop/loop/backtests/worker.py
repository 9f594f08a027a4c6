"""``python -m everloop.loop.backtests.worker DIR``: one backtest for a server."""

from __future__ import annotations

import sys
from typing import Any

import msgspec

from everloop.memory import importing

with importing():
    from everloop.loop.apart import Tell, answer
    from everloop.loop.backtests.places import PLAN, folder_of
    from everloop.loop.backtests.records import Plan
    from everloop.loop.backtests.run import begin, resumed
    from everloop.loop.project import Project


class Job(msgspec.Struct, frozen=True):
    """A backtest's id, and its plan."""

    id: str
    plan: Plan


def replay(project: Project, job: Job, tell: Tell) -> dict[str, Any]:
    """Begin it, or go on with it; its report lies in its folder."""
    folder = folder_of(project, job.id)
    if not (folder / PLAN).exists():
        begin(project, job.plan, folder)
    found = resumed(project, job.id, tell)
    return {"best": found.best, "choice": found.choice}


if __name__ == "__main__":
    answer(sys.argv[1], Job, replay)
