"""``everloop reject``: a person's no."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._deciding import cycle_argument, decided
from everloop.cli._options import project_options
from everloop.cli._target import opened


@click.command("reject")
@cycle_argument
@click.option("--reason", required=True, help="Why; it becomes the verdict's reason.")
@project_options
def command(
    cycle: int | None, reason: str, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Say no to CYCLE, or to the one that waits: one no ends it."""
    with opened(folder, loop_name) as (loop, project):
        decided(loop, project, cycle, False, reason, as_json)
