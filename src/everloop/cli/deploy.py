"""``everloop deploy``: a registered version becomes the champion; also the way back."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click

from everloop.cli._api import api
from everloop.cli._cycles import CycleView, exit_code, show_cycle
from everloop.cli._options import project_options
from everloop.cli._output import heading, next_step, print_json, say
from everloop.cli._target import opened
from everloop.loop.direct import Promoted
from everloop.registry.names import parse_reference


@click.command("deploy")
@click.argument("version")
@click.option("--endpoint", help="Of a model without a loop.  [default: the model's name]")
@project_options
def command(
    version: str, endpoint: str | None, folder: Path, loop_name: str | None, as_json: bool
) -> None:
    """Make VERSION the champion, by the rollout that the loop file declares.

    An older VERSION is a rollback. NAME/3 or NAME@ALIAS is a version of a model that no loop
    looks after: it answers at once.
    """
    if not version.isdecimal() and "/" not in version and "@" not in version:
        raise click.BadParameter(f"got {version!r}, expected 3, NAME/3 or NAME@ALIAS.")
    if not version.isdecimal():
        _promote(folder, version, endpoint, as_json)
        return
    _deploy(int(version), folder, loop_name, as_json)


def _promote(folder: Path, reference: str, endpoint: str | None, as_json: bool) -> None:
    with api(folder) as server:
        found = parse_reference(reference)
        model = f"/models/{quote(found.model, safe='')}"
        number = found.version
        if number is None:
            told = server.call("GET", model, dict[str, Any])
            number = told["aliases"].get(found.alias or "champion", told["newest"])
        path = f"{model}/versions/{number}/promote"
        done = server.call("POST", path, Promoted, json={"endpoint": endpoint})
    if as_json:
        print_json(done)
        return
    say(f"{done.model} version {done.version} is the champion of endpoint {done.endpoint}.")
    if done.applied is None:
        next_step("everloop serve", f"answers POST /endpoints/{done.endpoint}/predict with it")


def _deploy(version: int, folder: Path, loop_name: str | None, as_json: bool) -> None:
    with opened(folder, loop_name) as (loop, project):
        if not as_json:
            heading(f"{loop.name}: deploy version {version}")
        with CycleView(quiet=as_json) as view:
            cycle = loop.deploy(version, on_progress=view)
        show_cycle(loop, cycle, as_json)
        if not as_json and project is not None and project.serving() is None:
            next_step("everloop serve", "answers POST /predict with it")
        elif not as_json:
            next_step("everloop status", "shows what answers now")
    sys.exit(exit_code(cycle))
