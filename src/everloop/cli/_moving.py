"""How moving is shown: progress while it goes on, and both sides at the end."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
)

from everloop.cli._output import console, print_json, say, table
from everloop.cli._target import connected, settings_of
from everloop.errors import EverloopError
from everloop.tracking.moving.census import Line
from everloop.tracking.moving.importing import Imported, Tell
from everloop.tracking.moving.queue import Move

POLL_SECONDS = 0.5


@contextmanager
def progress(quiet: bool) -> Iterator[Tell]:
    """Bars for what is moved; nothing for ``--json``, and in a pipe."""
    shown = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
    )
    tasks: dict[str, TaskID] = {}

    def tell(what: str, done: int, total: int | None) -> None:
        if what not in tasks:
            tasks[what] = shown.add_task(what, total=total)
        shown.update(tasks[what], completed=done, total=total)

    with shown:
        yield tell


def _checksum(line: Line) -> str:
    if not line.equal:
        return "differs"
    return line.our_checksum[:8] if int(line.our_checksum, 16) else ""


def reconciliation(done: Imported, ours: str) -> None:
    """Both sides, kind by kind, and what there is to say beside."""
    if done.dry_run:
        rows = [(name, getattr(done.totals, name)) for name in done.totals.__struct_fields__]
        table(("", ours), rows)
    else:
        lines = [line for line in done.lines if line.theirs or line.ours]
        table(
            ("", "mlflow", ours, "checksum", ""),
            [
                (
                    line.kind,
                    f"{line.theirs:,}",
                    f"{line.ours:,}",
                    _checksum(line),
                    "=" if line.equal else "≠",
                )
                for line in lines
            ],
        )
    for old, new in done.renamed.items():
        say(f"{old!r} is called {new!r} here, since the name was taken.")
    for note in done.notes[:20]:
        say(note)
    if len(done.notes) > 20:
        say(f"… and {len(done.notes) - 20} more; --json shows all.")
    if not done.ok:
        wrong = ", ".join(line.kind for line in done.lines if not line.equal)
        say(f"The two sides differ in: {wrong}.")


def at_server(folder: Path, kind: str, body: dict[str, Any], as_json: bool) -> int:
    """Let the server of the settings do it, watch it, and say what it did; the exit code.

    It goes on there when the watching ends.
    """
    with connected(settings_of(folder)) as server, progress(quiet=as_json) as tell:
        move = server.call("POST", f"/{kind}s", Move, json=body)
        while move.state in ("waiting", "running"):
            time.sleep(POLL_SECONDS)
            move = server.call("GET", f"/{kind}s/{move.id}", Move)
            for what, (done, total) in move.progress.items():
                tell(what, done, total)
    if as_json:
        print_json(move)
    elif move.error is not None:
        raise EverloopError(move.error["message"], code=move.error["code"])
    elif move.report is None:
        say(f"The {kind} {move.id} was stopped.")
    else:
        reconciliation(msgspec.convert(move.report, Imported), "everloop")
    return 0 if move.report is not None and move.report["ok"] else 1
