"""``everloop fairness``: how groups are treated, and what a fairer model would cost."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import project_options
from everloop.cli._output import heading, print_json, say, table
from everloop.loop.loop import loop_of
from everloop.loop.mitigating import mitigate
from everloop.loop.project import Project


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

    Each way is shown with the accuracy it costs; none is applied.
    """
    with Project.open(folder) as project:
        loop = loop_of(project, loop_name)
        found = mitigate(project, loop.version(version), columns, loop.declaration.loop.seed)
    if as_json:
        print_json(found)
        return
    heading(f"{loop.name}: by {' × '.join(columns)}")
    rows = [
        (g.name, g.rows, g.selection_rate.value, g.selection_rate.low, g.selection_rate.high,
         g.accuracy.value, "" if g.judged else "few rows")
        for g in found.fairness.groups
    ]  # fmt: skip
    table(["group", "rows", "selected", "low", "high", "accuracy", ""], rows)
    heading("what a fairer model would cost")
    shown = [(c.name, c.ratio, c.accuracy, -c.cost) for c in found.candidates]
    table(["candidate", "ratio", "accuracy", "change"], shown)
    for line in found.left_out:
        say(f"left out: {line}")
