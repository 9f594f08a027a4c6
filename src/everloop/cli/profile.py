"""``everloop profile``: what a table's columns hold, in one pass over however many rows."""

from __future__ import annotations

from pathlib import Path

import click

import everloop as el
from everloop.cli._options import as_json as json_option
from everloop.cli._output import next_step, print_json, say, table
from everloop.cli.compare import show_comparison
from everloop.monitor.comparing import compare
from everloop.monitor.summaries.drawing import HEADS, facts, shares, sparkline
from everloop.monitor.summaries.table import profile_table


@click.command("profile")
@click.argument("source", nargs=-1, required=True, metavar="FILE...")
@click.option(
    "--save",
    "saved",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the profile as JSON; it merges with others and compares without the rows.",
)
@click.option("--against", help="A file or a saved profile to compare with, as the reference.")
@click.option("--private", is_flag=True, help="Save it without names of levels and their counts.")
@click.option("--embed", is_flag=True, help="Also tell what texts are about; needs everloop[text].")
@json_option
def command(
    source: tuple[str, ...],
    saved: Path | None,
    against: str | None,
    private: bool,
    embed: bool,
    as_json: bool,
) -> None:
    """Profile FILE: CSV, Parquet, Arrow or JSON lines, a pattern, or profiles saved before.

    Several are merged. Memory does not grow with the rows.
    """
    how = el.embed_texts if embed else None
    found = profile_table(source[0], how)
    for other in source[1:]:
        found = found.merge(profile_table(other, how))
    if saved is not None:
        found.save(saved, private)
    if against is not None:
        show_comparison(compare(profile_table(against, how), found), as_json)
        return
    if as_json:
        print_json(found.to_dict())
        return
    rows = [
        (name, *facts(column), sparkline(shares(column.sketch())))
        for name, column in found.columns.items()
    ]
    table((*HEADS, ""), rows, title=f"{found.rows:,} rows")
    if saved is None:
        next_step(f"everloop profile {source[0]} --save profile.json", "keeps it")
        return
    say(f"The profile is in {saved}")
    next_step(f"everloop profile NEW --against {saved}", "compares other rows with it")
