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
from everloop.errors import invalid


@click.command("events")
@click.option("--subject", help="Only what is about this, as model:flights or run:ID.")
@click.option("--kind", help="Only these, as model.registered; model.* is all of models.")
@click.option("--actor", help="Only what this one did, as http:ann.")
@click.option("--after", type=int, default=None, help="Only events with a larger number, in order.")
@click.option("--before", type=int, default=None, help="Only older ones, from the newest on.")
@limit_option(50)
@folder_option
@json_option
def command(
    subject: str | None,
    kind: str | None,
    actor: str | None,
    after: int | None,
    before: int | None,
    limit: int,
    folder: Path,
    as_json: bool,
) -> None:
    """Show the event log: who did what to models, runs and loops, from the first event on.

    With --kind, --actor or --before it begins with the newest instead.
    """
    newest = any(given is not None for given in (kind, actor, before))
    if newest and after is not None:
        raise invalid("--after", after, "no --kind, --actor or --before beside it", path="--after")
    asked = {"kind": kind, "actor": actor, "before": before} if newest else {"after": after or 0}
    with api(folder) as server:
        found, more = items(server, "/events", subject=subject, limit=limit, **asked)
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
        same = "".join(
            f" --{name} '{asked[name]}'" for name in ("kind", "actor") if asked.get(name)
        )
        turn = (f"--before {more}", "older") if newest else (f"--after {more}", "later")
        next_step(f"everloop events{same} {turn[0]}", f"shows {turn[1]} ones")
