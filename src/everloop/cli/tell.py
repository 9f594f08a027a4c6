"""``everloop tell``: an event upstream, which the update policy may listen to."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say
from everloop.cli._target import opened


@click.command("tell")
@click.argument("name")
@click.argument("message", default="")
@project_options
def command(name: str, message: str, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Tell the loop that NAME happened upstream: a feed was mended, a campaign began.

    `when = ["event NAME"]` of [update] starts an update by it.
    """
    with opened(folder, loop_name) as (loop, _):
        heard = loop.tell(name, message, by=getpass.getuser())
    if as_json:
        print_json(heard)
    else:
        say(f"{loop.name}: {name} is told.")
        next_step("everloop update", "does what the update policy makes of it")
