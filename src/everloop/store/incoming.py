"""A file on its way into a blob store: written once, hashed meanwhile, kept or gone."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import itertools
import os
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from everloop.errors import Unavailable

FOLDER = ".incoming"
"""In a local blob store: where files are until all of them is there."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_numbers = itertools.count()
_TRASHED = re.compile(r"trash-([0-9a-f]{64})")


class Whole:
    """What came all at once, and is small enough to wait in memory until it is stored."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)

    def digest(self) -> str:
        """The sha256 of it."""
        return hashlib.sha256(self.data).hexdigest()


class Incoming:
    """A temporary file that takes what comes; used as a context manager.

    What was not moved away by the end of the block is removed. Its owner holds a lock on it, so
    that :func:`sweep` can tell the file of a process that was killed. One thread at a time may
    use it.

    Parameters
    ----------
    folder : where it is made; None means a nameless file in the system's temporary folder.
    """

    def __init__(self, folder: Path | None) -> None:
        self.path: Path | None = None
        self.size = 0
        self._hash = hashlib.sha256()
        if folder is None:
            self.file = tempfile.TemporaryFile("w+b")  # noqa: SIM115
            return
        with disk_full():
            folder.mkdir(parents=True, exist_ok=True)
            descriptor, self.path = _locked_file(folder)
        self.file = os.fdopen(descriptor, "w+b")

    def write(self, data: bytes) -> int:
        """Add ``data``; returns its length, as a file does.

        Raises :class:`~everloop.errors.Unavailable` (``disk_full``).
        """
        with disk_full():
            self.file.write(data)
        self._hash.update(data)
        self.size += len(data)
        return len(data)

    def digest(self) -> str:
        """The sha256 of what was written, all of it now handed to the operating system."""
        with disk_full():
            self.file.flush()
        return self._hash.hexdigest()

    def move(self, to: Path) -> None:
        """Give the file its name, at once; what had the name before is gone."""
        assert self.path is not None
        with disk_full():
            os.fchmod(self.file.fileno(), _MODE)
            to.parent.mkdir(parents=True, exist_ok=True)
            self.path.replace(to)
        self.path = None

    def __enter__(self) -> Incoming:
        return self

    def __exit__(self, *_: object) -> None:
        if self.path is not None:
            with suppress(FileNotFoundError):
                self.path.unlink()
        # Closing writes what is left, and on a full disk fails at that.
        with suppress(OSError):
            self.file.close()


def write_whole(folder: Path, data: bytes, to: Path) -> None:
    """Make the file ``to`` of ``data``, at once, by way of one in ``folder``.

    That one is there for a moment only, so it is not locked; should a :func:`sweep` take it for
    a dead process's in that moment, it is written again.
    """
    with disk_full():
        while True:
            with suppress(FileExistsError, FileNotFoundError):
                _place(folder / f"{os.getpid()}-{next(_numbers)}", data, to)
                return
            folder.mkdir(parents=True, exist_ok=True)


def sweep(folder: Path) -> int:
    """Remove what killed processes left in ``folder``; returns how many files that were.

    A file that :class:`Incoming` is writing is locked by its process and stays. An object that a
    killed :meth:`~everloop.store.blobs.Blobs.delete` had put aside goes back to its place.
    """
    removed = 0
    for path in folder.iterdir() if folder.is_dir() else ():
        trashed = _TRASHED.fullmatch(path.name)
        with suppress(OSError), path.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if trashed:
                digest = trashed[1]
                path.replace(folder.parent / digest[:2] / digest[2:4] / digest)
            else:
                path.unlink()
            removed += 1
    return removed


@contextmanager
def disk_full() -> Iterator[None]:
    """Tells that the disk is full in our own form; other errors pass."""
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise no_space() from error


def no_space(where: str = "of the stored files") -> Unavailable:
    """The refusal of a write that there is no room for."""
    return Unavailable(
        f"There is no space left on the disk {where}; nothing was changed.",
        code="disk_full",
        fix="Free space with `everloop gc`, or enlarge the disk.",
    )


def _place(path: Path, data: bytes, to: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666)
    try:
        try:
            rest = memoryview(data)
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        finally:
            os.close(descriptor)
        try:
            path.replace(to)
        except FileNotFoundError:
            to.parent.mkdir(parents=True, exist_ok=True)
            path.replace(to)
    except BaseException:
        with suppress(FileNotFoundError):
            path.unlink()
        raise


def _locked_file(folder: Path) -> tuple[int, Path]:
    while True:
        descriptor, name = tempfile.mkstemp(dir=folder)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if os.fstat(descriptor).st_nlink:
            return descriptor, Path(name)
        os.close(descriptor)  # swept away before it was locked


def _mode() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return 0o666 & ~mask


_MODE = _mode()  # of a new file; asking for it later would change it for all threads meanwhile
