"""A pause of one loop or of all, in this folder or at the server that the settings name."""

from __future__ import annotations

import getpass
from pathlib import Path

import click

from everloop.cli._target import connected, opened, settings_of
from everloop.errors import invalid
from everloop.loop.project import Project
from everloop.update.situation import Paused

ALL = "all loops"
every_option = click.option(
    "--all", "every", is_flag=True, help="All loops, those to come among them."
)


def check_one(every: bool, loop_name: str | None) -> None:
    """Refuse both ways to name loops at once."""
    if every and loop_name is not None:
        raise invalid("--all", f"--loop {loop_name} beside it", "one of the two")


def pause(every: bool, reason: str, folder: Path, loop_name: str | None) -> tuple[Paused, str]:
    """The pause, and whom it is about."""
    by = getpass.getuser()
    if not every:
        with opened(folder, loop_name) as (loop, _):
            return loop.pause(by=by, reason=reason), loop.name
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            return server.pause(reason), ALL
    with Project.open(folder) as project:
        return project.pauses.pause(actor=by, reason=reason), ALL


def resume(every: bool, folder: Path, loop_name: str | None) -> str:
    """Let updates begin again; whom it is about."""
    by = getpass.getuser()
    if not every:
        with opened(folder, loop_name) as (loop, _):
            loop.resume(by=by)
            return loop.name
    settings = settings_of(folder)
    if settings.server:
        with connected(settings) as server:
            server.resume()
    else:
        with Project.open(folder) as project:
            project.pauses.resume(actor=by)
    return ALL
