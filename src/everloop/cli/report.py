"""``everloop report``: a version's report as a page, as JSON or as a model card."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import say
from everloop.cli._target import opened


@click.command("report")
@click.argument("version", required=False, type=int)
@click.option("--card", is_flag=True, help="The model card in Markdown instead of the page.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: report-LOOP-VERSION.html; a card is printed]",
)
@project_options
def command(
    version: int | None,
    card: bool,
    out: Path | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Write the report of VERSION (default: the champion): one file that needs nothing else.

    --json prints its twin. A browser prints the page to PDF.
    """
    with opened(folder, loop_name) as (loop, _):
        number = loop.version(version).version
        found = loop.report(number, "json" if as_json else "card" if card else "html")
    if out is None and (as_json or card):
        click.echo(found.decode(), nl=False)
        return
    path = out or Path(f"report-{loop.name}-{number}.html")
    path.write_bytes(found)
    if not as_json:
        say(f"The report of version {number} is in {path}")
