"""``everloop gc``: free what was deleted long ago."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path

import click
from rich.status import Status

from everloop.cli._options import as_json as json_option
from everloop.cli._options import folder as folder_option
from everloop.cli._output import console, next_step, print_json, say, table
from everloop.cli._target import connected, settings_of
from everloop.durations import milliseconds
from everloop.loop.project import Project
from everloop.tracking.deletion.collection import Collected

ROWS = (
    ("runs", "runs"),
    ("models", "logged models"),
    ("experiments", "experiments"),
    ("rows", "rows in all"),
    ("files", "artifacts"),
    ("uploads", "unfinished uploads"),
    ("blobs", "stored files"),
    ("log_rows", "rows of prediction logs"),
)
UNITS = ("B", "kB", "MB", "GB", "TB")


@click.command("gc")
@folder_option
@click.option(
    "--older-than",
    metavar="AGE",
    default="30d",
    show_default=True,
    help="Only what was deleted longer ago than this.",
)
@click.option("--dry-run", is_flag=True, help="Count what would go, delete nothing.")
@json_option
def command(folder: Path, older_than: str, dry_run: bool, as_json: bool) -> None:
    """Free what was deleted: its rows, its names, and the files that nothing else uses.

    Deleted runs, logged models and experiments can be restored until then. Those that a
    registered version reads its files from stay. It may run beside a server and be stopped at any
    time; the next one goes on.
    """
    age = milliseconds(older_than, "--older-than")
    settings = settings_of(folder)
    if settings.server:
        body = {"older_than": older_than, "dry_run": dry_run}
        with connected(settings) as server:
            done = server.call("POST", "/gc", Collected, json=body)
    else:
        shown = nullcontext() if as_json else console.status("Looking…")
        with Project.open(folder) as project, shown as status:
            done = project.gc(
                age, dry_run=dry_run, actor="cli", on_progress=lambda d: _tell(status, d)
            )
    if as_json:
        print_json(done)
    else:
        _show(done)


def _tell(status: Status | None, done: Collected) -> None:
    if status is not None:
        status.update(f"{done.runs:,} runs, {done.files:,} artifacts, {size(done.bytes)}")


def _show(done: Collected) -> None:
    counted = [(label, f"{getattr(done, name):,}") for name, label in ROWS]
    most = "at most " if done.dry_run and done.files else ""
    table(
        ("", "would go" if done.dry_run else "gone"),
        [*counted, ("space of stored files", most + size(done.bytes))],
    )
    if done.kept:
        say(f"{done.kept:,} stay, since registered versions read from them.")
    if done.elsewhere:
        say(f"{done.elsewhere:,} had artifacts in other places; those were left alone.")
    if done.dry_run:
        next_step("everloop gc", "to do it")


def size(total: int) -> str:
    """Bytes in a fitting unit."""
    number, unit = float(total), 0
    while number >= 1000 and unit < len(UNITS) - 1:
        number, unit = number / 1000, unit + 1
    return f"{number:.1f} {UNITS[unit]}" if unit else f"{total} B"
