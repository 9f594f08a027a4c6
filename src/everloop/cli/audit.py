"""``everloop audit verify``: has anybody changed the event log, or a decision's record?"""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import next_step, print_json, say
from everloop.loop.deciding import Audited, audited
from everloop.loop.project import Project


@click.group("audit")
def command() -> None:
    """Verify the event log, and the signed records of people's decisions."""


@command.command("verify")
@folder_option
@click.option(
    "--anchor",
    metavar="SEQ:HASH",
    help="What an earlier audit printed; shows that everything up to there is still there.",
)
@json_option
def verify(folder: Path, anchor: str | None, as_json: bool) -> None:
    """Recompute the chain of hashes and its signature; exit code 1 when something was changed.

    The log and its signature lie in one place: only an anchor that was kept elsewhere finds that
    all of it was put back to an earlier state.
    """
    with Project.open(folder) as project:
        audit = audited(project, anchor)
        damaged = project.log.quarantine.listing()
    if as_json:
        print_json(msgspec.to_builtins(audit) | {"quarantined": damaged})
    elif audit.ok:
        held = " The anchor holds." if anchor else ""
        say(f"{audit.events:,} events, unbroken and signed.{held}")
        if audit.decisions:
            say(f"{audit.decisions:,} decisions of people, each as it was signed.")
        say(f"anchor {audit.anchor}")
        next_step("everloop audit verify --anchor ANCHOR", "later, with the anchor kept elsewhere")
    else:
        _show_broken(audit)
    for damage in [] if as_json else damaged:
        say(f"quarantined: {damage.sentence()}")
    sys.exit(0 if audit.ok else 1)


def _show_broken(audit: Audited) -> None:
    if not audit.anchor:  # the log itself
        where = "" if audit.broken_at is None else f" at event {audit.broken_at:,}"
        say(f"Broken{where}: {audit.reason}")
    for sentence in audit.broken:
        say(f"Broken decision: {sentence}.")
