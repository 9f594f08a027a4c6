"""What tells other commands that an ``everloop up`` runs on this folder, and where.

``up.lock`` is held (``flock``) by the supervisor for as long as it lives, whatever ends it;
``up.json`` says its addresses. A file without a held lock is left over and counts for nothing.
"""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Iterator
from pathlib import Path

import msgspec

from everloop.errors import Conflict
from everloop.replacing import replace_file


class Up(msgspec.Struct, frozen=True):
    """A running set: the supervisor's process id, the console's and the data plane's address."""

    pid: int
    url: str
    serve_url: str


def read_up(state: Path) -> Up | None:
    """The set that runs on this project's state folder, or None."""
    try:
        with (state / "up.lock").open("rb") as lock:
            if _try_lock(lock.fileno(), fcntl.LOCK_SH):
                return None
        return msgspec.json.decode((state / "up.json").read_bytes(), type=Up)
    except (OSError, msgspec.MsgspecError):
        return None


def write_up(state: Path, up: Up) -> None:
    """Publish the addresses, whole or not at all."""
    replace_file(state / "up.json", msgspec.json.encode(up), lasting=False)


@contextlib.contextmanager
def hold_lock(state: Path) -> Iterator[bool]:
    """Hold the folder; yields True when an earlier set was cut off and left its file behind.

    Raises :class:`~everloop.errors.Conflict` when another set holds it. ``up.json`` is removed
    at the end.
    """
    state.mkdir(parents=True, exist_ok=True)
    with (state / "up.lock").open("ab") as lock:
        if not _try_lock(lock.fileno(), fcntl.LOCK_EX):
            raise _already_up(state)
        stale = (state / "up.json").exists()
        (state / "up.json").unlink(missing_ok=True)
        try:
            yield stale
        finally:
            (state / "up.json").unlink(missing_ok=True)


def _try_lock(fd: int, kind: int) -> bool:
    try:
        fcntl.flock(fd, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _already_up(state: Path) -> Conflict:
    try:
        up = msgspec.json.decode((state / "up.json").read_bytes(), type=Up)
        where = f" at {up.url} (process {up.pid})"
    except (OSError, msgspec.MsgspecError):
        where = ""
    return Conflict(
        f"everloop up is already running on {state.parent}{where}; stop it first, "
        "or give another folder with --dir.",
        code="already_up",
        path="--dir",
        got=str(state.parent),
        expected="a folder not in use",
        fix="Stop the other one first, or give another folder with --dir.",
    )
