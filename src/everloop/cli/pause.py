"""``everloop pause``: a person's word that nothing begins by itself."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.cli._pausing import check_one, every_option, pause


@click.command("pause")
@every_option
@click.option("--reason", default="", help="Why; shown wherever the loop is.")
@project_options
def command(every: bool, reason: str, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Let no update begin by itself until `everloop resume`.

    Predictions, monitors and alerts go on, as does what is under way; what a person starts begins.
    """
    check_one(every, loop_name)
    paused, which = pause(every, reason, folder, loop_name)
    if as_json:
        print_json(paused)
    else:
        say(f"{which}: no update begins by itself from now on.")
        next_step("everloop resume" + (" --all" if every else ""), "lets them begin again")
