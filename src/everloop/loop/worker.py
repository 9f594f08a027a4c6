"""``python -m everloop.loop.worker``: runs steps, or evaluates windows, one after the other.

Jobs come as JSON lines on standard input, reports and outcomes go out the same way. When standard
input closes, the controller is gone: the process ends at once, in the middle of a step too, and
the step is run again by the next controller.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import queue
import shutil
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from everloop.memory import give_back, importing

with importing():
    import msgspec

    from everloop.errors import EverloopError
    from everloop.extensions import candidates
    from everloop.loop.executors import Task
    from everloop.loop.lean_imports import lean_imports
    from everloop.loop.project import Project
    from everloop.loop.running import run_step
    from everloop.loop.steps import MODULES, Outcome, Report
    from everloop.store.leases import under


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", required=True, type=Path)
    parser.add_argument("--ahead", choices=AHEAD, default="steps", help="what to import ahead")
    parser.add_argument("--early", action="store_true", help="wait to be told where to log")
    parser.add_argument("--scratch", help="a folder of its own for temporary files")
    options = parser.parse_args()
    folder = options.dir.resolve()
    if str(folder) not in sys.path:
        sys.path.append(str(folder))  # where algorithms of one's own lie, wherever it was started
    # Libraries print to standard output; keep it for the protocol alone.
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    lean_imports()
    jobs: queue.Queue[dict[str, Any]] = queue.Queue()
    scratch: list[str] = [options.scratch] if options.scratch else []
    threading.Thread(target=_read_jobs, args=(jobs, scratch), daemon=True).start()
    if options.early:
        threading.Thread(target=_import_to_fit, daemon=True).start()
        told = jobs.get()
        scratch += [told["scratch"]] if told["scratch"] else []
        _log_to(told["log"])
    if scratch:
        tempfile.tempdir = scratch[0]
    with Project.open(folder) as project:
        ahead = Ahead(AHEAD[options.ahead], project)
        ahead.start()
        while True:
            job = jobs.get()
            ahead.wait_for(job)
            _answer(project, job, channel)
            give_back()


class Ahead(threading.Thread):
    """Imports while the first step awaits the disk, and the rest while the second one fits.

    What fits may not begin while a library that brings tables is half there: scikit-learn looks
    for pandas among what is imported. A snapshot reads and writes files, and fits nothing.
    """

    def __init__(self, stages: Sequence[Callable[[Project], None]], project: Project) -> None:
        super().__init__(daemon=True)
        self._stages, self._project = stages, project
        self._first = threading.Event()

    def run(self) -> None:
        for stage in self._stages:
            try:
                # What is wrong with a candidate is for the step to say.
                with contextlib.suppress(EverloopError, ImportError):
                    stage(self._project)
            finally:
                self._first.set()

    def wait_for(self, job: dict[str, Any]) -> None:
        """Until a job may begin."""
        step = job.get("step", {}).get("step")
        if step == "train":
            self._first.wait()
        elif step != "snapshot":
            self.join()


def _log_to(path: str) -> None:
    """What is printed goes to that file from now on."""
    with Path(path).open("ab") as log:
        os.dup2(log.fileno(), 2)
    os.dup2(2, 1)


def _import_to_fit() -> None:
    """What the first two steps need; first the one that awaits none of the others' imports."""
    with importing():
        for name in ("snapshot", "train"):
            importlib.import_module(MODULES[name])


def _import_candidates(project: Project) -> None:
    """Those and the algorithms that the loops declare."""
    with importing():
        _import_to_fit()
        for loop in project.cycles.loop_names():
            for name in project.cycles.declaration(loop).train.candidates:
                for place in candidates.get(name).estimators.values():
                    importlib.import_module(place.partition(":")[0])


def _import_to_judge(_project: Project) -> None:
    """What comes after the fits: our own modules, and none that a fit may import a part of
    meanwhile. They go on beside it, so garbage is looked for as ever."""
    for name in ("evaluate", "register", "probe"):
        importlib.import_module(MODULES[name])
    importlib.import_module("everloop.evaluate.report.html").template()


def _import_for_windows(_project: Project) -> None:
    """The slow imports of estimates, while the log is read."""
    with importing():
        importlib.import_module("everloop.monitor.estimation.methods")


AHEAD = {"steps": (_import_candidates, _import_to_judge), "windows": (_import_for_windows,)}


def _read_jobs(jobs: queue.Queue[dict[str, Any]], scratch: list[str]) -> None:
    """All that come; then the controller is gone, and nobody else removes what lies around."""
    for line in sys.stdin.buffer:
        jobs.put(msgspec.json.decode(line))
    for folder in scratch:
        shutil.rmtree(folder, ignore_errors=True)
    os._exit(0)


def _answer(project: Project, job: dict[str, Any], channel: Any) -> None:
    one_at_a_time = threading.Lock()  # a long line of one thread is no place for another's

    def send(message: dict[str, Any]) -> None:
        with one_at_a_time:
            channel.write(msgspec.json.encode(message) + b"\n")

    send({"begun": True})
    try:
        send({"outcome": _done(project, job, lambda *said: send({"report": said}))})
    except EverloopError as error:
        print(error.message, file=sys.stderr, flush=True)
        send({"error": {"class": type(error).__name__, **error.to_dict()}})
    except Exception as error:
        traceback.print_exc()
        send(
            {
                "error": {
                    "class": "EverloopError",
                    "message": f"{type(error).__name__}: {error}",
                    "code": "step_failed",
                }
            }
        )


def _done(project: Project, job: dict[str, Any], report: Report) -> Outcome | None:
    if "windows" in job:
        windows = importlib.import_module("everloop.loop.evaluating")
        windows.evaluate(project, project.cycles.declaration(job["windows"]))
        return None
    task = msgspec.convert(job["step"], Task)
    with under(project.db, task.lease, everywhere=True):
        return run_step(project, task.cycle, task.step, report)


if __name__ == "__main__":
    sys.exit(main())
