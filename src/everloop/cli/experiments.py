"""``everloop experiments``: groups of runs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import next_step, print_json, say, table


@click.group("experiments")
def command() -> None:
    """List, add, rename, delete and restore experiments."""


@command.command("list")
@click.option("--filter", default="", help="Such as \"tags.team = 'ops'\".")
@click.option("--deleted", is_flag=True, help="Those that are deleted instead.")
@click.option("--before", help="Where the page before ended.")
@limit_option(20)
@folder_option
@json_option
def list_experiments(
    filter: str, deleted: bool, before: str | None, limit: int, folder: Path, as_json: bool
) -> None:
    """List experiments, the newest first."""
    view = "deleted" if deleted else "active"
    with api(folder) as server:
        found, more = items(
            server, "/experiments", filter=filter, view=view, before=before, limit=limit
        )
    if as_json:
        print_json({"items": found, "next": more})
        return
    table(("id", "experiment", "location"), [(e["id"], e["name"], e["location"]) for e in found])
    if more:
        next_step(f"everloop experiments list --before {more}", "shows more")


@command.command("create")
@click.argument("name")
@click.option("--location", help="The URI that its artifacts lie under.")
@folder_option
@json_option
def create(name: str, location: str | None, folder: Path, as_json: bool) -> None:
    """Add an experiment."""
    _changed(folder, as_json, "POST", "", {"name": name, "location": location})


@command.command("rename")
@click.argument("experiment", type=int)
@click.argument("name")
@folder_option
@json_option
def rename(experiment: int, name: str, folder: Path, as_json: bool) -> None:
    """Give the EXPERIMENT of that id another NAME."""
    _changed(folder, as_json, "PATCH", f"/{experiment}", {"name": name})


@command.command("delete")
@click.argument("experiment", type=int)
@folder_option
@json_option
def delete(experiment: int, folder: Path, as_json: bool) -> None:
    """Delete the EXPERIMENT of that id with its runs; it can be restored until gc."""
    _changed(folder, as_json, "DELETE", f"/{experiment}")


@command.command("restore")
@click.argument("experiment", type=int)
@folder_option
@json_option
def restore(experiment: int, folder: Path, as_json: bool) -> None:
    """Take the deletion of the EXPERIMENT of that id back."""
    _changed(folder, as_json, "POST", f"/{experiment}/restore")


def _changed(
    folder: Path, as_json: bool, method: str, path: str, body: dict[str, Any] | None = None
) -> None:
    given = {} if body is None else {"json": body}
    with api(folder) as server:
        found = server.call(method, f"/experiments{path}", dict[str, Any], **given)
    if as_json:
        print_json(found)
    else:
        gone = " is deleted" if found["deleted"] is not None else ""
        say(f"experiment {found['id']}, {found['name']!r}{gone}.")
