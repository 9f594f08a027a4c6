"""``everloop fairness``: how groups are treated, and what a fairer model would cost."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from everloop.cli._options import project_options
from everloop.cli._output import heading, interval, number, print_json, say, table
from everloop.cli._target import opened

if TYPE_CHECKING:
    from everloop.evaluate.fairness.groups import Fairness, Group, Measure


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
    if found.fairness.overall is not None:
        _show_metrics(found.fairness, found.fairness.overall)
        for line in found.left_out:
            say(f"left out: {line}")
        return
    rows = [
        (g.name, g.rows, *_ends(g.selection_rate), *_ends(g.accuracy)[:1],
         "" if g.judged else "few rows")
        for g in found.fairness.groups
    ]  # fmt: skip
    table(["group", "rows", "selected", "low", "high", "accuracy", ""], rows)
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


def _show_metrics(found: Fairness, overall: Group) -> None:
    """How well each group is served."""
    names = list(overall.metrics)
    rows = [
        (g.name, g.rows, *(_told(g.metrics[n]) for n in names), "" if g.judged else "few rows")
        for g in [*found.groups, overall]
    ]
    table(["group", "rows", *names, ""], rows)
    for gap in found.gaps:
        within = interval(gap.low, gap.high)
        say(f"{gap.metric}: {gap.highest} and {gap.lowest} are {number(gap.value)} {within} apart")


def _ends(found: Measure | None) -> tuple[float | None, float | None, float | None]:
    return (None, None, None) if found is None else (found.value, found.low, found.high)


def _told(found: Measure) -> str:
    return f"{number(found.value)} {interval(found.low, found.high)}".strip()
