"""What this data plane says of itself on the disk: where it answers, and which state is applied.

The controller waits for the revision it published, and learns here whether anybody serves at all;
a data plane of another machine reports by other means.
"""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

NAME = "status.json"


class Standing(msgspec.Struct, frozen=True):
    """``revision`` is the desired state that is applied in full; ``errors`` says what is not."""

    pid: int
    url: str
    revision: int
    errors: dict[str, str] = {}
    log_lost: dict[str, dict[str, int]] = {}  # rows not logged: endpoint -> reason -> count


def write_standing(folder: Path, standing: Standing) -> None:
    """Replace the file at once. A disk that is full costs the report, never an answer."""
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / f".{NAME}.{standing.pid}"
    try:
        fresh.write_bytes(msgspec.json.encode(standing))
        fresh.replace(folder / NAME)
    except OSError:
        fresh.unlink(missing_ok=True)


def read_standing(folder: Path) -> Standing | None:
    """The data plane that runs on this folder, or None when there is none."""
    try:
        standing = msgspec.json.decode((folder / NAME).read_bytes(), type=Standing)
        os.kill(standing.pid, 0)
    except (OSError, msgspec.MsgspecError):
        return None
    return standing


def remove_standing(folder: Path) -> None:
    """Leave no trace of this process; another one's report stays."""
    standing = read_standing(folder)
    if standing is not None and standing.pid == os.getpid():
        (folder / NAME).unlink(missing_ok=True)
