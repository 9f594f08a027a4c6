"""``everloop report``: a version's report as a page, as JSON or as a model card."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import click

from everloop.cli._deciding import the_cycle
from everloop.cli._options import project_options
from everloop.cli._output import say
from everloop.cli._target import opened
from everloop.errors import invalid


@click.command("report")
@click.argument("version", required=False, type=int)
@click.option("--cycle", type=int, help="That of a cycle instead, whatever became of its model.")
@click.option("--card", is_flag=True, help="The model card in Markdown instead of the page.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: report-LOOP-VERSION.html; a card is printed]",
)
@project_options
def command(
    version: int | None,
    cycle: int | None,
    card: bool,
    out: Path | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Write the report of VERSION (default: the champion): one file that needs nothing else.

    --json prints its twin. A browser prints the page to PDF.
    """
    if cycle is not None and version is not None:
        raise invalid("cycle", cycle, "a version or a cycle, not both")
    kind: Literal["html", "json", "card"] = "json" if as_json else "card" if card else "html"
    with opened(folder, loop_name) as (loop, _):
        if cycle is None:
            number = loop.version(version).version
            found, of = loop.report(number, kind), f"{number}"
        else:
            found, of = loop.cycle_report(the_cycle(loop, cycle).id, kind), f"cycle-{cycle}"
    if out is None and (as_json or card):
        click.echo(found.decode(), nl=False)
        return
    path = out or Path(f"report-{loop.name}-{of}.html")
    path.write_bytes(found)
    if not as_json:
        what = f"version {of}" if cycle is None else f"cycle {cycle}"
        say(f"The report of {what} is in {path}")
