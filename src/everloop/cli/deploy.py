"""``everloop deploy``: a registered version becomes the champion; also the way back."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step
from everloop.cli._target import opened


@click.command("deploy")
@click.argument("version", type=int)
@project_options
def command(version: int, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Make VERSION the champion, by the rollout that the loop file declares.

    An older VERSION is a rollback.
    """
    with opened(folder, loop_name) as (loop, project):
        if not as_json:
            heading(f"{loop.name}: deploy version {version}")
        with CycleView(quiet=as_json) as view:
            cycle = loop.deploy(version, on_progress=view)
        show_cycle(loop, cycle, as_json)
        if not as_json and project is not None and project.serving() is None:
            next_step("everloop serve", "answers POST /predict with it")
        elif not as_json:
            next_step("everloop status", "shows what answers now")
    sys.exit(exit_code(cycle))
