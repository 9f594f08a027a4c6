"""What this data plane says of itself on the disk: where it answers, and which state is applied.

The controller waits for the revision it published, and learns here whether anybody serves at all.
A data plane of another machine reports over HTTP, and the control plane keeps what it says beside.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

import msgspec

NAME = "status.json"
OTHERS = "planes"
FRESH_S = 15.0  # that a report from another machine counts


class Standing(msgspec.Struct, frozen=True):
    """``revision`` is the desired state that is applied in full; ``errors`` says what is not."""

    pid: int
    url: str
    revision: int
    errors: dict[str, str] = {}
    log_lost: dict[str, dict[str, int]] = {}  # rows not logged: endpoint -> reason -> count


def write_standing(folder: Path, standing: Standing) -> None:
    """Replace the file at once. A disk that is full costs the report, never an answer."""
    _write(folder / NAME, standing)


def keep_report(folder: Path, plane: str, standing: Standing) -> None:
    """Keep what a data plane of another machine says."""
    _write(folder / OTHERS / f"{plane}.json", standing)


def read_reports(folder: Path) -> list[Standing]:
    """What the data planes of other machines said within the last ``FRESH_S`` seconds."""
    found = []
    for path in sorted((folder / OTHERS).glob("*.json")):
        try:
            if time.time() - path.stat().st_mtime < FRESH_S:
                found.append(msgspec.json.decode(path.read_bytes(), type=Standing))
        except (OSError, msgspec.MsgspecError):
            continue
    return found


def _write(path: Path, standing: Standing) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name}.{os.urandom(4).hex()}")
    try:
        fresh.write_bytes(msgspec.json.encode(standing))
        fresh.replace(path)
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
