"""``everloop resume``: the end of a pause."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.cli._pausing import check_one, every_option, resume


@click.command("resume")
@every_option
@project_options
def command(every: bool, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Let updates begin by themselves again."""
    check_one(every, loop_name)
    which = resume(every, folder, loop_name)
    if as_json:
        print_json({"resumed": which})
    else:
        say(f"{which}: updates begin by themselves again.")
        next_step("everloop status", "shows where the loops stand")
