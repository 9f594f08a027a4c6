"""What ``everloop run`` does, once its worker has begun."""

from __future__ import annotations

import sys
from pathlib import Path

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._output import heading, next_step
from everloop.cli._target import opened
from everloop.loop.cycles import Cycle
from everloop.loop.project import Project


def go_round(folder: Path, loop_name: str | None, as_json: bool) -> None:
    """One trip round the loop, shown as it goes; ends this process."""
    with opened(folder, loop_name) as (loop, project):
        if not as_json:
            heading(f"{loop.name}: a cycle")
        with CycleView(quiet=as_json) as view:
            cycle = loop.run(on_progress=view)
        show_cycle(loop, cycle, as_json)
        if not as_json and cycle.verdict is not None:
            _show_next(project, cycle)
    sys.exit(exit_code(cycle))


def _show_next(project: Project | None, cycle: Cycle) -> None:
    """After a promotion what serves it, otherwise what tells why not."""
    if cycle.verdict == "rejected":
        next_step(f"everloop report --cycle {cycle.number}", "writes all that was measured")
    elif cycle.verdict != "promoted":
        next_step(f"everloop history {cycle.number}", "shows each step of it")
    elif project is not None and project.supervisor() is None:
        next_step("everloop up", "serves it, with the console and the controller")
    else:
        next_step("everloop status", "shows what answers now")
