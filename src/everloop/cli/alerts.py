"""``everloop alerts``: what was found, whether it goes on, who is told, and silences."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._options import loop_name as loop_option
from everloop.cli._output import detail, heading, next_step, print_json, say, table
from everloop.cli._target import opened

Found = dict[str, Any]


@click.group("alerts")
def command() -> None:
    """List and show alerts; silence them; test the channels that tell them."""


@command.command("list")
@click.option("--state", type=click.Choice(["open", "resolved"]), help="Only these.")
@click.option("--endpoint", help="Only of this endpoint.")
@limit_option(20)
@folder_option
@json_option
def listing(
    state: str | None, endpoint: str | None, limit: int, folder: Path, as_json: bool
) -> None:
    """List what was found, the newest first, and whether it goes on."""
    with api(folder) as server:
        found, more = items(server, "/alerts", state=state, endpoint=endpoint, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    if not found:
        say("No alerts.")
        next_step("everloop monitor", "looks at the traffic now")
        return
    names = ("alert", "state", "severity", "endpoint", "kind", "feature", "since", "told", "cycles")
    table(names, [_row(line) for line in found])
    next_step(f"everloop alerts show {found[0]['incident']['id'][:12]}", "says more of one")


@command.command("show")
@click.argument("alert")
@folder_option
@json_option
def show(alert: str, folder: Path, as_json: bool) -> None:
    """Show an ALERT by its id, or the beginning of it: evidence, who was told, what was done."""
    with api(folder) as server:
        found = server.call("GET", f"/alerts/{alert}", Found)
    if as_json:
        print_json(found)
        return
    one = found["line"]["incident"]
    heading(f"{one['kind']} at {one['endpoint']}: {found['line']['state']}, {one['severity']}")
    say(one["summary"])
    detail(f"{_moment(one['since'])}, {one['windows']} windows in a row", "since")
    silence = found["line"]["silence"]
    if silence:
        detail(
            f"until {_moment(silence['until'])} by {silence['actor']}: {silence['comment']}",
            "silence",
        )
    for raised in found["alerts"]:
        if raised["summary"] != one["summary"]:
            detail(f"{_moment(raised['window'])} {raised['summary']}", "before")
    for cycle in one["cycles"]:
        detail(cycle, "cycle")
    for sent in found["deliveries"]:
        error = f": {sent['error']}" if sent["error"] else ""
        detail(f"{sent['payload']['state']} to {sent['channel']}, {sent['state']}{error}", "told")
    next_step(f"everloop monitor why {one['id'][:12]}", "says what it came from")


@command.command("silence")
@click.option("--for", "duration", required=True, help="How long, as 4h.")
@click.option("--comment", required=True, help="Why.")
@click.option("--endpoint", default="*", show_default=True, help="A pattern of endpoints.")
@click.option("--kind", default="*", show_default=True, help="A pattern of kinds, as drift.")
@click.option("--feature", default="*", show_default=True, help="A pattern, as wind_*.")
@folder_option
@json_option
def silence(
    duration: str, comment: str, endpoint: str, kind: str, feature: str, folder: Path,
    as_json: bool,
) -> None:  # fmt: skip
    """Tell nobody of what matches the patterns, for a while; recorded with its comment."""
    body = {
        "duration": duration, "comment": comment, "endpoint": endpoint, "kind": kind,
        "feature": feature,
    }  # fmt: skip
    with api(folder) as server:
        made = server.call("POST", "/silences", Found, json=body)
    if as_json:
        print_json(made)
        return
    say(f"silence {made['id'][:12]} holds until {_moment(made['until'])}.")
    next_step(f"everloop alerts unsilence {made['id'][:12]}", "takes it back")


@command.command("unsilence")
@click.argument("silence_id", metavar="SILENCE")
@folder_option
@json_option
def unsilence(silence_id: str, folder: Path, as_json: bool) -> None:
    """Take a SILENCE back; what goes on is told again."""
    with api(folder) as server:
        made = server.call("DELETE", f"/silences/{silence_id}", Found)
    if as_json:
        print_json(made)
        return
    say(f"silence {made['id'][:12]} is over.")
    next_step("everloop alerts list --state open", "shows what goes on")


@command.command("silences")
@limit_option(20)
@folder_option
@json_option
def silences(limit: int, folder: Path, as_json: bool) -> None:
    """List silences, the last to end first."""
    with api(folder) as server:
        found, more = items(server, "/silences", limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    rows = [
        (s["id"][:12], s["endpoint"], s["kind"], s["feature"], _moment(s["until"]),
         "taken back" if s["ended"] else "", s["actor"], s["comment"])
        for s in found
    ]  # fmt: skip
    table(("silence", "endpoint", "kind", "feature", "until", "", "by", "why"), rows)
    next_step("everloop alerts silence --for 4h --comment WHY", "adds one")


@command.command("deliveries")
@click.option("--state", type=click.Choice(["waiting", "sent", "failed"]), help="Only these.")
@limit_option(20)
@folder_option
@json_option
def deliveries(state: str | None, limit: int, folder: Path, as_json: bool) -> None:
    """Show what was told to channels, waits, or failed for good."""
    with api(folder) as server:
        found, more = items(server, "/alert-deliveries", state=state, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    rows = [
        (d["channel"], d["payload"]["state"], d["state"], d["attempts"], d["payload"]["rule"],
         len(d["payload"]["items"]), d["error"] or "")
        for d in found
    ]  # fmt: skip
    table(("channel", "tells", "state", "attempts", "rule", "alerts", "error"), rows)
    next_step("everloop alerts test CHANNEL", "sends a test now")


@command.command("test")
@click.argument("channel", required=False)
@folder_option
@loop_option
@json_option
def test(channel: str | None, folder: Path, loop_name: str | None, as_json: bool) -> None:
    """Send a test to a CHANNEL of the loop file now; without one, list the channels."""
    with opened(folder, loop_name) as (loop, _), api(folder) as server:
        path = f"/loops/{loop.name}/channels"
        if channel is None:
            declared = server.call("GET", path, Found)
            _channels(declared, as_json)
            return
        found = server.call("POST", f"{path}/{channel}/test", Found, json={})
    if as_json:
        print_json(found)
    elif found["ok"]:
        say(f"channel {channel} took it.")
        next_step("everloop alerts list", "shows what was found")
    else:
        say(f"channel {channel} did not take it: {found['error']}")
    sys.exit(0 if found["ok"] else 1)


def _channels(declared: Found, as_json: bool) -> None:
    if as_json:
        print_json(declared)
        return
    rows = [(name, one["kind"], ", ".join(one["rules"])) for name, one in declared.items()]
    table(("channel", "kind", "rules"), rows)
    first = next(iter(declared), "CHANNEL")
    next_step(f"everloop alerts test {first}", "sends a test now")


def _row(line: Found) -> tuple[Any, ...]:
    one = line["incident"]
    return (
        one["id"][:12], line["state"], one["severity"], one["endpoint"], one["kind"],
        one["feature"] or "", _moment(one["since"]), ", ".join(one["told"]) or "nobody",
        len(one["cycles"]),
    )  # fmt: skip


def _moment(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).strftime("%Y-%m-%d %H:%M")
