"""``everloop demo``: a whole loop on real data, in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._output import console, print_json
from everloop.demo.story import Story
from everloop.demo.streams import flights, quick


@click.command("demo")
@click.option("--quick", "is_quick", is_flag=True, help="A small stream, with no download.")
@click.option(
    "--dir",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path("everloop-demo"),
    show_default=True,
    help="Where to play it.",
)
@json_option
def command(is_quick: bool, folder: Path, as_json: bool) -> None:
    """Go all the way round on real data and say at each stage what happens.

    New York's departures of 2013 (or a quick stream): train, test, deploy, monitor, update, with
    real processes and real HTTP, beside a model that is never updated.
    """
    console.quiet = as_json
    with console.status("data …") as status:
        stream = (quick if is_quick else flights)(status.update)
    figures = Story(folder, stream, console).run()
    if as_json:
        print_json(figures)
