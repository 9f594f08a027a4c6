"""Steps in a subprocess that lives for a cycle and gives its memory back."""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.extensions import executors
from everloop.loop.executors._base import Executor
from everloop.loop.executors._process import WorkerProcess
from everloop.loop.steps import Outcome, Report


@executors.register("subprocess")
class SubprocessExecutor(Executor):
    """One worker process, started when first needed."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._process = WorkerProcess(folder, "steps")

    def warm(self) -> None:
        self._process.warm()

    def run(self, cycle: str, step: str, report: Report) -> Outcome:
        job = {"cycle": cycle, "step": step}
        return msgspec.convert(self._process.ask(job, f"step {step}", report), Outcome)

    def close(self) -> None:
        self._process.close()
