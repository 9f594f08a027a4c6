"""``everloop reproduce``: a run's model, trained again and compared."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading
from everloop.cli._target import opened


@click.command("reproduce")
@click.argument("run")
@project_options
def command(run: str, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Train the model of RUN again from its recorded rows, parameters and seed; compare.

    Exit code 1 when another model comes out; what has changed since is named.
    """
    with opened(folder, loop_name) as (loop, _):
        if not as_json:
            heading(f"{loop.name}: run {run} again")
        with CycleView(quiet=as_json) as view:
            cycle = loop.reproduce(run, on_progress=view)
        show_cycle(loop, cycle, as_json)
    sys.exit(exit_code(cycle))
