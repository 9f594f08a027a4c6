"""``everloop approve``: a person's yes."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._deciding import cycle_argument, decided
from everloop.cli._options import project_options
from everloop.cli._target import opened


@click.command("approve")
@cycle_argument
@click.option("--comment", default="", help="Why; kept with the decision.")
@project_options
def command(
    cycle: int | None, comment: str, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Say yes to CYCLE, or to the one that waits; with the last yes needed it goes on.

    Who says it is the person of EVERLOOP_TOKEN, or else the user of this system.
    """
    with opened(folder, loop_name) as (loop, project):
        decided(loop, project, cycle, True, comment, as_json)
