"""``everloop lineage``: where a version came from and where it went."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from everloop.cli._api import api
from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say
from everloop.console.models.graph import Branch, tree
from everloop.errors import NotFound
from everloop.loop.lineage import Lineage
from everloop.loop.remote import Server
from everloop.registry.names import parse_reference


@click.command("lineage")
@click.argument("model")
@click.option("--dataset", is_flag=True, help="MODEL is the digest of a dataset version.")
@folder_option
@json_option
def command(model: str, dataset: bool, folder: Path, as_json: bool) -> None:
    """Where a version came from and where it went: MODEL/3, MODEL@ALIAS or MODEL."""
    with api(folder) as server:
        path = f"/datasets/{quote(model, safe='')}" if dataset else _version(server, model)
        found = server.call("GET", f"{path}/lineage", Lineage)
    if as_json:
        print_json(found)
        return
    for branch in tree(found):
        _say(branch, found.about, 0)
    next_step(f"everloop lineage {model} --json", "gives the graph's nodes and edges")


def _version(server: Server, text: str) -> str:
    """The path of the version that a reference means."""
    reference = parse_reference(text)
    path, number = f"/models/{quote(reference.model, safe='')}", reference.version
    if number is None:
        known = server.call("GET", path, dict[str, Any])
        alias = reference.alias or "champion"
        number = known["aliases"].get(alias)
        if number is None and reference.alias is None:
            number = known["newest"]
        if number is None:
            raise NotFound(f"The model {reference.model!r} has no {alias}.", got=text)
    return f"{path}/versions/{number}"


def _say(branch: Branch, about: str, depth: int) -> None:
    node = branch.node
    mark = " ←" if node.id == about else ""
    facts = f" ({node.facts})" if node.facts else ""
    what = f"{branch.what}: " if branch.what else ""
    again = " …" if branch.again else ""
    say(f"{'  ' * depth}{what}{node.name}{facts}{mark}{again}")
    for child in branch.children:
        _say(child, about, depth + 1)
