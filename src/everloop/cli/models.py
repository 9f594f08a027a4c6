"""``everloop models``: the registry."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._options import limit as limit_option
from everloop.cli._output import detail, heading, next_step, print_json, say, table


@click.group("models")
def command() -> None:
    """List and show models and their versions; point aliases, set stages, delete."""


@command.command("list")
@click.option("--filter", default="", help="Such as \"name LIKE 'flights%'\".")
@click.option("--after", help="Where the page before ended.")
@limit_option(20)
@folder_option
@json_option
def list_models(filter: str, after: str | None, limit: int, folder: Path, as_json: bool) -> None:
    """List models by name."""
    with api(folder) as server:
        found, more = items(server, "/models", filter=filter, after=after, limit=limit)
    if as_json:
        print_json({"items": found, "next": more})
        return
    rows = [(m["name"], m["newest"], _aliases(m["aliases"]), m["description"] or "") for m in found]
    table(("model", "newest", "aliases", "description"), rows)
    if more:
        next_step(f"everloop models list --after {more}", "shows more")


@command.command("show")
@click.argument("model")
@limit_option(20)
@folder_option
@json_option
def show(model: str, limit: int, folder: Path, as_json: bool) -> None:
    """Show a MODEL with its newest versions."""
    with api(folder) as server:
        found = server.call("GET", _path(model), dict[str, Any])
        versions, _ = items(server, f"{_path(model)}/versions", limit=limit)
    if as_json:
        print_json({**found, "versions": versions})
        return
    heading(model)
    if found["description"]:
        detail(found["description"])
    for key, value in found["tags"].items():
        detail(f"{key} = {value}", "tag")
    table(
        ("version", "aliases", "stage", "algorithm", "from"),
        [
            (
                v["version"],
                ", ".join(v["aliases"]),
                v["stage"],
                v["algorithm"] or "",
                v["source"] or v["run"] or "",
            )
            for v in versions
        ],
    )


@command.command("alias")
@click.argument("model")
@click.argument("alias")
@click.argument("version", type=int, required=False)
@click.option("--delete", is_flag=True, help="Remove the alias.")
@folder_option
@json_option
def alias(
    model: str, alias: str, version: int | None, delete: bool, folder: Path, as_json: bool
) -> None:
    """Point an ALIAS of a MODEL at a VERSION, or remove it."""
    if delete == (version is not None):
        raise click.UsageError("Give a version, or --delete.")
    path = f"{_path(model)}/aliases/{quote(alias, safe='')}"
    with api(folder) as server:
        if delete:
            found = server.call("DELETE", path, dict[str, Any])
        else:
            found = server.call("PUT", path, dict[str, Any], json={"version": version})
    if as_json:
        print_json(found)
    else:
        say(f"{model}: {_aliases(found['aliases']) or 'no alias'}")


@command.command("stage")
@click.argument("model")
@click.argument("version", type=int)
@click.argument("stage", metavar="STAGE")
@click.option("--archive-others", is_flag=True, help="Archive what else is in that stage.")
@folder_option
@json_option
def stage(
    model: str, version: int, stage: str, archive_others: bool, folder: Path, as_json: bool
) -> None:
    """Put a VERSION into a STAGE: None, Staging, Production or Archived."""
    body = {"stage": stage, "archive_others": archive_others}
    with api(folder) as server:
        found = server.call("PATCH", _path(model, version), dict[str, Any], json=body)
    if as_json:
        print_json(found)
    else:
        say(f"{model} version {version} is in {found['stage']}.")


@command.command("delete")
@click.argument("model")
@click.argument("version", type=int, required=False)
@folder_option
@json_option
def delete(model: str, version: int | None, folder: Path, as_json: bool) -> None:
    """Delete a VERSION of a MODEL, or the model with all of them; not what serves."""
    with api(folder) as server:
        found = server.call("DELETE", _path(model, version), dict[str, Any])
    if as_json:
        print_json(found)
    else:
        say(f"{found['deleted']} is deleted.")


def _path(model: str, version: int | None = None) -> str:
    path = f"/models/{quote(model, safe='')}"
    return path if version is None else f"{path}/versions/{version}"


def _aliases(aliases: dict[str, int]) -> str:
    return ", ".join(f"{name} → {version}" for name, version in aliases.items())
