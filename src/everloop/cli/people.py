"""``everloop people``: who may reach the project by a token of its own, in which roles."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import click

from everloop.cli._api import api, items
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say, table
from everloop.store.people import May


@click.group("people")
def command() -> None:
    """List, add and remove people with tokens and roles of their own."""


@command.command("list")
@folder_option
@json_option
def list_people(folder: Path, as_json: bool) -> None:
    """List the people, by name."""
    with api(folder) as server:
        found, more = items(server, "/people")
    if as_json:
        print_json({"items": found, "next": more})
    else:
        rows = [(one["name"], ", ".join(one["roles"]), one["may"]) for one in found]
        table(("person", "roles", "may"), rows)
        next_step("everloop people add NAME --role ROLE", "adds one")


@command.command("add")
@click.argument("name")
@click.option("--role", "roles", multiple=True, help="That the yes stands for; may be repeated.")
@click.option(
    "--may", type=click.Choice(get_args(May)), default="decide", show_default=True,
    help="Each may what those before it may.",
)  # fmt: skip
@folder_option
@json_option
def add(name: str, roles: tuple[str, ...], may: str, folder: Path, as_json: bool) -> None:
    """Add a person called NAME and print the token, which nothing shows again."""
    body = {"name": name, "roles": list(roles), "may": may}
    with api(folder) as server:
        made = server.call("POST", "/people", dict[str, Any], json=body)
    if as_json:
        print_json(made)
    else:
        say(f"{name} is added. The token, which is not shown again:")
        say(made["token"])
        next_step("everloop people list", "shows everybody and their roles")


@command.command("remove")
@click.argument("name")
@folder_option
@json_option
def remove(name: str, folder: Path, as_json: bool) -> None:
    """Take a person and the token away; what NAME said stays."""
    with api(folder) as server:
        gone = server.call("DELETE", f"/people/{name}", dict[str, Any])
    if as_json:
        print_json(gone)
    else:
        say(f"{name} is removed; the token opens nothing any more.")
        next_step("everloop people list", "shows who is left")
