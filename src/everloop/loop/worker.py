"""``python -m everloop.loop.worker``: runs steps for a controller, one at a time.

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
import sys
import threading
import traceback
from pathlib import Path
from typing import Any

from everloop.memory import give_back, importing

with importing():
    import msgspec

    from everloop.errors import EverloopError
    from everloop.extensions import candidates
    from everloop.loop.project import Project
    from everloop.loop.running import run_step
    from everloop.loop.steps import MODULES


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--dir", required=True, type=Path)
    folder = parser.parse_args().dir
    # Libraries print to standard output; keep it for the protocol alone.
    channel = os.fdopen(os.dup(1), "wb", buffering=0)
    os.dup2(2, 1)
    jobs: queue.Queue[dict[str, str]] = queue.Queue()
    threading.Thread(target=_read_jobs, args=(jobs,), daemon=True).start()
    with Project.open(folder) as project:
        threading.Thread(target=_import_ahead, args=(project,), daemon=True).start()
        while True:
            _answer(project, jobs.get(), channel)
            give_back()


def _import_ahead(project: Project) -> None:
    """The slow imports of the usual steps and algorithms, while the first step awaits the disk."""
    # What is wrong with a candidate is for the step to say.
    with importing(), contextlib.suppress(EverloopError, ImportError):
        for name in ("snapshot", "train", "evaluate", "register"):
            importlib.import_module(MODULES[name])
        importlib.import_module("everloop.evaluate.report.html").template()
        for loop in project.cycles.loop_names():
            for name in project.cycles.declaration(loop).train.candidates:
                for place in candidates.get(name).estimators.values():
                    importlib.import_module(place.partition(":")[0])


def _read_jobs(jobs: queue.Queue[dict[str, str]]) -> None:
    for line in sys.stdin.buffer:
        jobs.put(msgspec.json.decode(line))
    os._exit(0)


def _answer(project: Project, job: dict[str, str], channel: Any) -> None:
    def send(message: dict[str, Any]) -> None:
        channel.write(msgspec.json.encode(message) + b"\n")

    try:
        outcome = run_step(
            project,
            job["cycle"],
            job["step"],
            lambda stage, facts: send({"report": [stage, facts]}),
        )
        send({"outcome": outcome})
    except EverloopError as error:
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


if __name__ == "__main__":
    sys.exit(main())
