"""``everloop search``: anything by its name or id."""

from __future__ import annotations

from pathlib import Path

import click

from everloop.cli._api import api
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say, table
from everloop.loop.finding import Found


@click.command("search")
@click.argument("text", nargs=-1, required=True)
@folder_option
@json_option
def command(text: tuple[str, ...], folder: Path, as_json: bool) -> None:
    """Find loops, models, versions, runs, experiments, datasets, endpoints, alerts, events, pages
    and commands by a part of the name, or the beginning of an id."""
    with api(folder) as server:
        found = server.call("GET", "/search", Found, params={"q": " ".join(text)})
    if as_json:
        print_json(found)
        return
    if not found.groups:
        say(f"Nothing is called so: {found.text}")
        next_step("everloop runs", "lists the newest runs")
        return
    hits = [hit for group in found.groups for hit in group.hits]
    table(("", "name", "", "page"), [(hit.kind, hit.name, hit.said, hit.page) for hit in hits])
    for group in found.groups:
        if group.more:
            say(f"There are more {group.kind}; a longer text finds fewer.")
    next_step("everloop up", "shows the pages")
