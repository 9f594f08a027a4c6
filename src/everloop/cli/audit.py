"""``everloop audit verify``: has anybody changed the event log?"""

from __future__ import annotations

import sys
from pathlib import Path

import click

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import print_json, say
from everloop.loop.project import Project


@click.group("audit")
def command() -> None:
    """Verify the event log."""


@command.command("verify")
@folder_option
@json_option
def verify(folder: Path, as_json: bool) -> None:
    """Recompute the chain of hashes and its signature; exit code 1 when something was changed."""
    with Project.open(folder) as project:
        audit = project.events.verify()
    if as_json:
        print_json(audit)
    elif audit.ok:
        say(f"{audit.events:,} events, unbroken and signed.")
    else:
        say(f"Broken at event {audit.broken_at}: {audit.reason}")
    sys.exit(0 if audit.ok else 1)
