"""``everloop events``: who did what."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import next_step, print_json, table


@click.command("events")
@click.option("--subject", help="Only what is about this, as model:flights or run:ID.")
@click.option("--after", type=int, default=0, help="Only events with a larger number.")
@limit_option(50)
@folder_option
@json_option
def command(subject: str | None, after: int, limit: int, folder: Path, as_json: bool) -> None:
    """Show the event log: who did what to models, runs and loops, from the first event on."""
    with api(folder) as server:
        found, more = items(server, "/events", subject=subject, after=after, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    table(
        ("event", "at", "who", "what", "about", ""),
        [
            (
                e["seq"],
                datetime.fromtimestamp(e["at"] / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S"),
                e["actor"],
                e["kind"],
                e["subject"],
                msgspec.json.encode(e["payload"]).decode()[:80] if e["payload"] else "",
            )
            for e in found
        ],
    )
    if more:
        next_step(f"everloop events --after {more}", "shows later ones")
