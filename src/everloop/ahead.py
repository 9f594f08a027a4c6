"""A worker of steps that begins before this process has imported what it needs itself.

Both take a second and more to import their libraries. A verb that will need a worker lets it begin
first; nothing heavy is imported here. The worker touches nothing of the folder before it is taken,
and one that nobody takes is ended with the verb.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from everloop.errors import EverloopError
from everloop.memory import frugal_environment
from everloop.settings import load_settings

_begun: dict[Path, subprocess.Popen[bytes]] = {}


@contextmanager
def worker_ahead(folder: Path) -> Iterator[None]:
    """In the block a worker for ``folder`` gets ready, where its cycles will be run from here."""
    place = folder.resolve()
    if place not in _begun and _runs_here(place):
        _begun[place] = subprocess.Popen(
            [sys.executable, "-m", "everloop.loop.worker", "--dir", str(place), "--early"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=frugal_environment(),
        )
    try:
        yield
    finally:
        left = _begun.pop(place, None)
        if left is not None:
            with left:
                left.kill()


def take_worker(folder: Path) -> subprocess.Popen[bytes] | None:
    """The worker that has begun for ``folder``; it waits for where to log."""
    return _begun.pop(folder, None)


def _runs_here(folder: Path) -> bool:
    """Whether there is a loop file that names no server, and no other process that runs it."""
    try:
        told = tomllib.loads((folder / "everloop.toml").read_text(encoding="utf-8"))
        server = load_settings(told.get("settings")).server
    except (OSError, ValueError, AttributeError, EverloopError):
        return False  # what is wrong is for the verb to say
    return not server and _free(folder / ".everloop" / "controller.lock")


def _free(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True
