"""``everloop fairness``: how groups are treated, and what a fairer model would cost."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._groups import show_groups
from everloop.cli._options import project_options
from everloop.cli._output import heading, interval, print_json, say, table
from everloop.cli._target import opened


@click.command("fairness")
@click.argument("columns", nargs=-1, required=True)
@click.option("--version", type=int, help="Which version.  [default: the champion]")
@project_options
def command(
    columns: tuple[str, ...],
    version: int | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Selection rates by the groups of COLUMNS on the held-out rows, and ways to even them out.

    Of a target that is not binary: its metrics by group, and how far apart the groups are.
    Each way is shown with the accuracy it costs; none is applied.
    """
    with opened(folder, loop_name) as (loop, _):
        found = loop.mitigate(columns, version)
    if as_json:
        print_json(found)
        return
    heading(f"{loop.name}: by {' × '.join(columns)}")
    show_groups(found.fairness)
    if found.fairness.overall is None:
        heading("what a fairer model would cost")
        shown = [
            (c.name, c.ratio, interval(c.ratio_low, c.ratio_high), c.accuracy, c.cost,
             interval(c.cost_low, c.cost_high))
            for c in found.candidates
        ]  # fmt: skip
        head = ("candidate", "ratio", "95 % interval", "accuracy", "accuracy lost", "95 % interval")
        table(head, shown)
    for line in found.left_out:
        say(f"left out: {line}")
