"""``everloop profile``: what a table's columns hold, or what came in a window, in one pass."""

from __future__ import annotations

from pathlib import Path

import click

import everloop as el
from everloop.cli._options import project_options
from everloop.cli._output import next_step, print_json, say, table
from everloop.cli._target import opened
from everloop.cli.compare import show_comparison
from everloop.errors import invalid
from everloop.monitor.comparing import compare
from everloop.monitor.profile_report import ProfileReport
from everloop.monitor.summaries.drawing import HEADS, facts, shares, sparkline
from everloop.monitor.summaries.table import TableProfile, profile_table
from everloop.monitor.window_report import moment_of


@click.command("profile")
@click.argument("source", nargs=-1, metavar="[FILE]...")
@click.option(
    "--save",
    "saved",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Keep the profile as JSON; it merges with others and compares without the rows.",
)
@click.option("--against", help="A file or a saved profile to compare with, as the reference.")
@click.option("--private", is_flag=True, help="Save it without names of levels and their counts.")
@click.option("--embed", is_flag=True, help="Also tell what texts are about; needs everloop[text].")
@click.option("--window", "start", help="Of no file, but of a window: its start, or latest.")
@click.option("--until", help="With --window: all windows that start before this, together.")
@click.option("--segment", help="With --window: rows of one segment, such as carrier=AA.")
@project_options
def command(
    source: tuple[str, ...],
    saved: Path | None,
    against: str | None,
    private: bool,
    embed: bool,
    start: str | None,
    until: str | None,
    segment: str | None,
    folder: Path,
    loop_name: str | None,
    as_json: bool,
) -> None:
    """Profile FILE: CSV, Parquet, Arrow or JSON lines, a pattern, or profiles saved before.

    Several are merged. Memory does not grow with the rows. With --window it is the profile that
    was kept of a window of the loop's traffic, beside what the rows should be like.
    """
    if bool(source) == bool(start):
        raise invalid("FILE", " ".join(source), "a file, or else --window, not both or none")
    how = el.embed_texts if embed else None
    if start is not None:
        when = None if start == "latest" else moment_of(start)
        last = None if until is None else moment_of(until)
        with opened(folder, loop_name) as (loop, _):
            if saved is None and against is None:
                _show_window(loop.profile_report(when, last, segment), as_json)
                return
            found = loop.profile(when, last, segment)
    else:
        found = profile_table(source[0], how)
        for other in source[1:]:
            found = found.merge(profile_table(other, how))
    if saved is not None:
        found.save(saved, private)
    if against is not None:
        show_comparison(compare(profile_table(against, how), found), as_json)
    elif as_json:
        print_json(found.to_dict())
    else:
        _show(found, source, saved)


def _show(found: TableProfile, source: tuple[str, ...], saved: Path | None) -> None:
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


def _show_window(found: ProfileReport, as_json: bool) -> None:
    """Every column and aspect, beside the training rows or the windows before."""
    if as_json:
        print_json(found)
        return
    rows = [
        (
            line.name, line.kind, f"{line.missing:.1%}", line.facts, sparkline(line.now),
            sparkline(line.before), line.facts_before,
        )
        for line in found.lines
    ]  # fmt: skip
    heads = ("column", "kind", "missing", "values", "now", "before", "values before")
    what = f" of {found.segment}" if found.segment else ""
    beside = f"; before is {found.beside}" if found.beside else ""
    many = f" in {found.windows} windows" if found.windows > 1 else ""
    table(heads, rows, title=f"{found.rows:,} rows{what}{many}{beside}")
    if found.segments and not found.segment:
        say(f"Segments: {', '.join(found.segments)}")
    next_step("everloop window", "says what of it is drift")
