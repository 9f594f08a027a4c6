"""``everloop webhooks``: who is told of changes of the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import print_json, say, table
from everloop.registry.webhooks.happenings import EXAMPLES


@click.group("webhooks")
def command() -> None:
    """List, add, test and delete webhooks; show what was sent."""


@command.command("list")
@folder_option
@json_option
def list_webhooks(folder: Path, as_json: bool) -> None:
    """List webhooks, the newest first."""
    with api(folder) as server:
        found, more = items(server, "/webhooks", limit=1000)
    if as_json:
        print_json({"items": found, "next": more})
    else:
        rows = [(w["id"], w["name"], w["url"], w["status"], _events(w)) for w in found]
        table(("webhook", "name", "url", "status", "events"), rows)


@command.command("create")
@click.argument("name")
@click.argument("url")
@click.option(
    "--event", "events", multiple=True, required=True, help="One of " + ", ".join(EXAMPLES) + "."
)
@click.option("--secret", envvar="EVERLOOP_WEBHOOK_SECRET", help="Signs what is sent (HMAC).")
@folder_option
@json_option
def create(
    name: str, url: str, events: tuple[str, ...], secret: str | None, folder: Path, as_json: bool
) -> None:
    """Add a webhook called NAME that is told of events at URL."""
    body: dict[str, Any] = {"name": name, "url": url, "events": list(events)}
    if secret:
        body["secret"] = secret
    with api(folder) as server:
        found = server.call("POST", "/webhooks", dict[str, Any], json=body)
    if as_json:
        print_json(found)
    else:
        say(f"webhook {found['id']} is told of {_events(found)}.")


@command.command("test")
@click.argument("webhook")
@folder_option
@json_option
def test(webhook: str, folder: Path, as_json: bool) -> None:
    """Send an example to a WEBHOOK now."""
    with api(folder) as server:
        found = server.call("POST", f"/webhooks/{webhook}/test", dict[str, Any], json={})
    if as_json:
        print_json(found)
    else:
        say(", ".join(f"{key} {value}" for key, value in found.items() if value is not None))


@command.command("deliveries")
@click.argument("webhook")
@limit_option(20)
@folder_option
@json_option
def deliveries(webhook: str, limit: int, folder: Path, as_json: bool) -> None:
    """Show what was sent to a WEBHOOK or waits, the newest first."""
    with api(folder) as server:
        found, more = items(server, f"/webhooks/{webhook}/deliveries", limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
    else:
        names = ("event", "state", "attempts", "status", "error")
        table(names, [tuple(d.get(name) for name in names) for d in found])


@command.command("delete")
@click.argument("webhook")
@folder_option
@json_option
def delete(webhook: str, folder: Path, as_json: bool) -> None:
    """Delete a WEBHOOK."""
    with api(folder) as server:
        found = server.call("DELETE", f"/webhooks/{webhook}", dict[str, Any])
    if as_json:
        print_json(found)
    else:
        say(f"webhook {found['deleted']} is deleted.")


def _events(webhook: dict[str, Any]) -> str:
    return ", ".join(str(event) for event in webhook["events"])
