"""Steps in this very process: for tests and for notebooks that hold their own data."""

from __future__ import annotations

from everloop.extensions import executors
from everloop.loop.executors._base import Executor
from everloop.loop.project import Project
from everloop.loop.running import run_step
from everloop.loop.steps import Outcome, Report


@executors.register("inline")
class InlineExecutor(Executor):
    """Runs each step where it is called."""

    def run(self, cycle: str, step: str, report: Report) -> Outcome:
        with Project.open(self.folder) as project:
            return run_step(project, cycle, step, report)
