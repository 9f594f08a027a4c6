"""``everloop storage``: what takes room."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._api import api
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say, table
from everloop.cli.gc import size
from everloop.loop.room import Storage


@click.command("storage")
@folder_option
@json_option
def command(folder: Path, as_json: bool) -> None:
    """Show what takes room: the database, blobs by what they are, logs, caches."""
    with api(folder) as server:
        found = server.call("GET", "/storage", Storage)
    if as_json:
        print_json(found)
        return
    rows = [(place.name, size(place.bytes), place.said) for place in found.places]
    rows += [(f"blobs: {p.name}", size(p.bytes), f"{p.count:,}") for p in found.blobs]
    rows += [(p.name, f"{p.count:,} rows", p.said) for p in found.logs]
    table(("what", "room", ""), rows)
    if not found.complete:
        say("There are more blobs than could be counted in the time.")
    freed = found.freed
    say(f"A collection would free {size(freed.bytes)} of files and {freed.rows:,} rows.")
    next_step("everloop gc --dry-run", "counts it in full")
