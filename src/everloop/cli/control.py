"""``everloop control``: a controller alone, without a server."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option


@click.command("control")
@folder_option
@click.option(
    "--loop", "loops", multiple=True, help="Run the cycles of this loop only; repeatable."
)
@json_option
def command(folder: Path, loops: tuple[str, ...], as_json: bool) -> None:
    """Watch the loops and run their cycles, without a server; SIGTERM or Ctrl-C stops it cleanly.

    Any number of controllers may share a database, on any machines: each cycle is run by one of
    them, and by another within seconds should that one die. `everloop status` shows what they do.
    """
    arguments = [sys.executable, "-m", "everloop.loop.control", "--dir", str(folder)]
    for name in loops:
        arguments += ["--loop", name]
    sys.stdout.flush()
    # A fresh interpreter keeps none of what the command line has imported.
    os.execv(sys.executable, [*arguments, *(["--json"] if as_json else [])])
