"""``everloop test``: a registered version through today's gates."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step
from everloop.cli._target import opened


@click.command("test")
@click.argument("version", required=False, type=int)
@project_options
def command(version: int | None, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Measure VERSION (default: the champion) on its held-out rows, through every gate.

    Exit code 1 when a gate fails, so that a script can stop there.
    """
    with opened(folder, loop_name) as (loop, _):
        if not as_json:
            what = "the champion" if version is None else f"version {version}"
            heading(f"{loop.name}: test of {what}")
        with CycleView(quiet=as_json) as view:
            cycle = loop.test(version, on_progress=view)
        show_cycle(loop, cycle, as_json)
        if not as_json:
            why = "makes a version the champion" if cycle.verdict == "passed" else "tries again"
            next_step(
                "everloop deploy VERSION" if cycle.verdict == "passed" else "everloop run", why
            )
    sys.exit(exit_code(cycle))
