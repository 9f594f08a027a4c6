"""What this data plane says of itself on the disk: where it answers, and which state is applied.

The controller waits for the revision it published, and learns here whether anybody serves at all.
A data plane of another machine reports over HTTP, and the control plane keeps what it says beside.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from everloop.replacing import replace_file

NAME = "status.json"
OTHERS = "planes"
FRESH_S = 15.0  # that a report from another machine counts
KNOWN_S = 86_400.0  # that it is still shown


class Standing(msgspec.Struct, frozen=True):
    """``revision`` is the desired state that is applied in full; ``errors`` says what is not.

    ``plane``, ``heard`` and what follows them come from other machines only: the plane's name, when
    its report came (ms, UTC, by the control plane's clock), everloop's version there, whether every
    endpoint answers, and each endpoint's counts as ``GET /endpoints`` has them.
    """

    pid: int
    url: str
    revision: int
    errors: dict[str, str] = {}
    log_lost: dict[str, dict[str, int]] = {}  # rows not logged: endpoint -> reason -> count
    plane: str = ""
    heard: int = 0
    version: str = ""
    ready: bool = True
    traffic: dict[str, Any] = {}


def write_standing(folder: Path, standing: Standing) -> None:
    """Replace the file at once. A disk that is full costs the report, never an answer."""
    _write(folder / NAME, standing)


def keep_report(folder: Path, plane: str, standing: Standing) -> None:
    """Keep what a data plane of another machine says; a new one makes us forget the long gone."""
    path = folder / OTHERS / f"{plane}.json"
    if not path.exists():
        for old, _ in _reports(folder, (KNOWN_S, float("inf"))):
            old.unlink(missing_ok=True)
    _write(path, standing)


def read_reports(folder: Path, within: float = FRESH_S) -> list[Standing]:
    """What the data planes of other machines said last, within so many seconds."""
    found = []
    for path, heard in _reports(folder, (-FRESH_S, within)):
        try:
            said = msgspec.json.decode(path.read_bytes(), type=Standing)
        except (OSError, msgspec.MsgspecError):
            continue
        found.append(msgspec.structs.replace(said, plane=path.stem, heard=int(heard * 1000)))
    return found


def _reports(folder: Path, age: tuple[float, float]) -> Iterator[tuple[Path, float]]:
    """The reports whose age in seconds lies in a range, each with when it came."""
    for path in sorted((folder / OTHERS).glob("*.json")):
        with contextlib.suppress(OSError):
            heard = path.stat().st_mtime
            if age[0] <= time.time() - heard < age[1]:
                yield path, heard


def _write(path: Path, standing: Standing) -> None:
    """A disk that is full costs the news, never an answer."""
    with contextlib.suppress(OSError):
        replace_file(path, msgspec.json.encode(standing), lasting=False)


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
