"""Steps in a subprocess that lives for a cycle and gives its memory back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.extensions import executors
from everloop.loop.executors._base import Executor, Task
from everloop.loop.executors._process import WorkerProcess
from everloop.loop.executors.limits import Limits
from everloop.loop.steps import Outcome, Report


@executors.register("subprocess")
class SubprocessExecutor(Executor):
    """One worker process, started when first needed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._process = WorkerProcess(folder, "steps")

    def warm(self) -> None:
        self._process.warm()

    def run(self, task: Task, report: Report) -> Outcome:
        job = {"step": msgspec.to_builtins(task)}
        limits = Limits(task.seconds, task.megabytes)
        answer = self._process.ask(job, report=report, limits=limits)
        return msgspec.convert(answer, Outcome)

    def stop(self, cycle: str) -> None:
        if (self._process.doing or {}).get("step", {}).get("cycle") == cycle:
            self._process.close()

    def close(self) -> None:
        self._process.close()
