"""``python faulty.py``: for each line ``POINT FOLDER`` that it reads, a process that goes once
round in the folder and kills itself with SIGKILL at the point.

The process is a fork of this one, which has imported everything and begun nothing. Its id is
written when it begins, its exit status (minus a signal's number) when it has ended.

Points are ``before:STEP``, ``after:STEP`` (recorded, nothing later begun), ``done:STEP`` (the work
is done and not yet recorded), ``hold:STEP`` (as ``done``, but it waits there for whoever kills it)
and ``none``.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Any

from everloop.memory import importing

with importing():
    import everloop.loop.engine  # noqa: F401
    from everloop.loop.cycles import CycleStore
    from everloop.loop.loop import load


def die() -> None:
    os.killpg(os.getpgrp(), signal.SIGKILL)


def arm(point: str) -> None:
    when, _, step = point.partition(":")
    begin, finish = CycleStore.begin_step, CycleStore.finish_step

    def begin_step(self: CycleStore, cycle: str, name: str, position: int) -> None:
        if (when, step) == ("before", name):
            die()
        begin(self, cycle, name, position)

    def finish_step(self: CycleStore, cycle: str, name: str, result: dict[str, Any]) -> None:
        if (when, step) == ("done", name):
            die()
        if (when, step) == ("hold", name):
            signal.pause()
        finish(self, cycle, name, result)
        if (when, step) == ("after", name):
            die()

    CycleStore.begin_step = begin_step  # type: ignore[method-assign]
    CycleStore.finish_step = finish_step  # type: ignore[method-assign]


def go_round(point: str, folder: str) -> None:
    os.setpgid(0, 0)
    os.chdir(folder)  # where algorithms of one's own lie
    arm(point)
    load(folder).run()


if __name__ == "__main__":
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            try:
                go_round(*line.rstrip().split(" ", 1))
                os._exit(0)
            finally:
                os._exit(1)
        print(child, flush=True)
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
