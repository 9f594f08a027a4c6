"""``everloop monitor report``: what was found in one window, as a page or as JSON."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import next_step, say
from everloop.cli._target import opened
from everloop.monitor.window_report import moment_of


@click.command("report")
@click.option("--window", "start", help="When it starts, as 2024-05-01T06:00; the newest if not.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where to write it.  [default: window-ENDPOINT-START.html]",
)
@project_options
def report(
    start: str | None, out: Path | None, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Write a window's report: one page that needs nothing else. --json prints its twin."""
    with opened(folder, loop_name) as (loop, _):
        found = loop.window_report(None if start is None else moment_of(start))
    if as_json and out is None:
        click.echo(found.to_json().decode())
        return
    window = found.window
    path = out or Path(f"window-{window.endpoint}-{window.start}.html")
    path.write_bytes(found.to_json() if as_json else found.to_html().encode())
    if not as_json:
        say(f"The report of the window is in {path}")
        next_step("everloop monitor", "lists the windows")
