"""``everloop compare``: what is broken and what drifted between two tables."""

from __future__ import annotations

from pathlib import Path

import click

import everloop as el
from everloop.cli._options import as_json as json_option
from everloop.cli._output import detail, next_step, number, print_json, say, table, verdict
from everloop.monitor.comparing import Comparison, compare
from everloop.monitor.summaries.drawing import sparkline


@click.command("compare")
@click.argument("reference")
@click.argument("current")
@click.option(
    "--html",
    "page",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the comparison as one page that needs nothing else.",
)
@click.option("--ignore", multiple=True, help="A column to leave out; may be repeated.")
@click.option("--test", "tests", multiple=True, help="A drift test; may be repeated.")
@click.option("--level", default=0.05, show_default=True, help="Share of false alarms.")
@click.option("--min-effect", default=0.1, show_default=True, help="Less is a small drift.")
@click.option("--embed", is_flag=True, help="Also tell what texts are about; needs everloop[text].")
@json_option
def command(
    reference: str,
    current: str,
    page: Path | None,
    ignore: tuple[str, ...],
    tests: tuple[str, ...],
    level: float,
    min_effect: float,
    embed: bool,
    as_json: bool,
) -> None:
    """Compare CURRENT with REFERENCE: files, patterns or saved profiles; no loop is needed."""
    found = compare(
        reference,
        current,
        level=level,
        min_effect=min_effect,
        tests=tests,
        ignore=ignore,
        embed=el.embed_texts if embed else None,
    )
    if page is not None:
        found.to_html(page)
    show_comparison(found, as_json)
    if as_json:
        return
    if page is not None:
        say(f"The page is in {page}")
        next_step("everloop init DATA", "starts a loop that watches for this")
    else:
        shown = f"everloop compare {reference} {current} --html comparison.html"
        next_step(shown, "draws it as a page")


def show_comparison(found: Comparison, as_json: bool) -> None:
    """The verdict and the columns, worst first."""
    if as_json:
        print_json(found)
        return
    verdict(found.verdict, found.reason)
    rows = [
        (c.name, c.verdict, number(c.effect, 3) if c.test else "", number(c.adjusted),
         c.summary, sparkline(c.before), sparkline(c.after))
        for c in found.columns
    ]  # fmt: skip
    heads = ("column", "verdict", "effect", "adjusted p", "what changed", "before", "now")
    table(heads, rows, title=f"{found.reference_rows:,} rows before, {found.current_rows:,} now")
    for note in found.notes:
        detail(f"note: {note}")
