"""``python faulty.py FOLDER POINT``: goes once round and kills itself with SIGKILL at a point.

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


if __name__ == "__main__":
    arm(sys.argv[2])
    loop = load(sys.argv[1])
    print(loop.run().verdict)
