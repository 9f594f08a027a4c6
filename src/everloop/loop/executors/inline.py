"""Steps in this very process: for tests and for notebooks that hold their own data."""

from __future__ import annotations

from everloop.extensions import executors
from everloop.loop.executors._base import Executor, Task
from everloop.loop.project import Project
from everloop.loop.running import run_step
from everloop.loop.steps import Outcome, Report
from everloop.store.leases import under


@executors.register("inline")
class InlineExecutor(Executor):
    """Runs each step where it is called; nothing can end it at its limits."""

    def run(self, task: Task, report: Report) -> Outcome:
        with Project.open(self.folder) as project, under(project.db, task.lease):
            return run_step(project, task.cycle, task.step, report)
