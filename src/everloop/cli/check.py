"""``everloop check``: is the loop file sound, and does the data fit it?"""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import detail, next_step, print_json, say, table
from everloop.loop.checking import check


@click.command("check")
@folder_option
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Check everloop.toml: keys, values, names of algorithms and gates, and the data it names."""
    found = check(folder)
    if as_json:
        print_json(found)
        return
    say(f"everloop.toml is sound: loop {found.loop}, {found.task}, target {found.target}")
    table(("feature", "kind", "levels"), found.features, title=f"{found.rows:,} rows")
    for note in found.notes:
        detail(f"note: {note}")
    for leak in found.leaks:
        detail(f"{leak.level}: {leak.sentence}")
    next_step("everloop run", "goes once round the loop")
