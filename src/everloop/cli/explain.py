"""``everloop explain``: why rows are answered as they are, and what would change an answer."""

from __future__ import annotations

from pathlib import Path

import click
import polars as pl

from everloop.cli._options import project_options
from everloop.cli._output import detail, heading, print_json, say, table
from everloop.cli._target import AnyLoop, opened
from everloop.data.sources import read_table
from everloop.errors import invalid

SHOWN = 10


@click.command("explain")
@click.argument("data", required=False, type=click.Path(path_type=Path))
@click.option("--version", type=int, help="Which version.  [default: the champion]")
@click.option("--row", type=click.IntRange(min=0), default=0, help="Which row of DATA, from 0.")
@click.option("--rows", type=click.IntRange(1, 200), default=1, help="How many rows from there.")
@click.option("--feature", help="Instead: the mean answer over the values of a feature.")
@click.option("--importance", is_flag=True, help="Instead: how much worse it gets without each.")
@click.option("--change", is_flag=True, help="Instead: the least change that turns the answer.")
@click.option("--to", "wanted", help="With --change: the class or the number to reach.")
@click.option("--fix", "fixed", multiple=True, help="With --change: a feature that must stay.")
@project_options
def command(
    data: Path | None,
    version: int | None,
    row: int,
    rows: int,
    feature: str | None,
    importance: bool,
    change: bool,
    wanted: str | None,
    fixed: tuple[str, ...],
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """What each feature adds to the answer of a row of DATA (Shapley values)."""
    with opened(folder, loop_name) as (loop, _):
        chosen = loop.version(version)
        if importance:
            _show_importance(loop, chosen.version, as_json)
            return
        if feature is not None:
            found = loop.dependence(feature, chosen.version)
            if as_json:
                print_json(found)
            else:
                say(f"the mean of {found.of} when {feature} alone is set to each value")
                table([feature, "mean answer"], zip(found.values, found.mean, strict=True))
            return
        if data is None:
            expected = "a file with the rows to explain, or --feature or --importance"
            raise invalid("DATA", "<nothing>", expected)
        frame = read_table(str(data.resolve()), folder)[row : row + rows]
        if not frame.height:
            raise invalid("--row", row, "a row that DATA has")
        if change:
            _show_change(loop, frame[:1], chosen.version, wanted, fixed, as_json)
            return
        explained = loop.explain(frame, chosen.version)
    if as_json:
        print_json({"version": chosen.version, "explanations": explained})
        return
    for number, one in enumerate(explained, row):
        what = "" if one.of is None else f" (probability of {one.of})"
        heading(f"row {number}: {one.y_pred}")
        detail(f"{one.answer:.4g}{what}, {one.base:.4g} on average")
        order = sorted(one.contributions.items(), key=lambda pair: -abs(pair[1]))
        table(["feature", "adds"], [(n, f"{v:+.4f}") for n, v in order[:SHOWN]])


def _show_importance(loop: AnyLoop, version: int, as_json: bool) -> None:
    found = loop.importance(version)
    if as_json:
        print_json({"version": version, "importances": found})
        return
    rows = [(one.feature, one.drop, one.spread) for one in found]
    table(["feature", "worse without it by", "spread"], rows)


def _show_change(
    loop: AnyLoop,
    frame: pl.DataFrame,
    version: int,
    wanted: str | None,
    fixed: tuple[str, ...],
    as_json: bool,
) -> None:
    found = loop.counterfactual(frame, wanted, fixed, version)
    if as_json:
        print_json(found)
        return
    if found.found and not found.changes:
        say("The answer is so already: nothing has to change.")
        return
    if not found.found:
        say("No change of up to three features gets there; the nearest one:")
    table(["feature", "is", "would be"], [(c.feature, c.before, c.after) for c in found.changes])
    what = "answer" if found.of is None else f"probability of {found.of}"
    say(f"The {what} moves from {found.before:.4g} to {found.after:.4g}.")
