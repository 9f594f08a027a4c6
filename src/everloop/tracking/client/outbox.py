"""A client's write-ahead files: everything it was given, until the other side has it.

Each process that logs has a folder of its own below the project's ``.everloop/outbox`` (or the
user's state folder), with segments of records and the artifacts that wait. It holds a lock as
long as it lives, so that another process can tell what a dead one left.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

from everloop.data.segments import SegmentWriter, list_segments, read_segment

SEGMENT_BYTES = 8 << 20
REFUSED = "refused"
_TARGET, _LOCK = "target", "lock"


class Outbox:
    """A folder of records for one target: one thread appends, another reads and acknowledges."""

    def __init__(self, folder: Path, lock: int) -> None:
        self.folder = folder
        self.client = folder.name
        self._lock = lock
        self._writer = SegmentWriter(folder, "records", SEGMENT_BYTES)
        self._reading: tuple[Path, int] | None = None

    @classmethod
    def create(cls, root: Path, target: str) -> Outbox:
        """A new folder below ``root``, seen by others only once it is locked."""
        client = uuid.uuid4().hex
        new = root / f".new-{client}"
        new.mkdir(parents=True, mode=0o700)
        (new / _TARGET).write_text(target)
        lock = _lock(new)
        assert lock is not None
        new.rename(root / client)
        return cls(root / client, lock)

    # -- the writing thread ----------------------------------------------------------------------

    def append(self, payload: bytes) -> None:
        """Hand a record to the operating system; it outlives this process."""
        self._writer.append(payload)

    def take_file(self, path: Path) -> str:
        """Copy an artifact into the folder; returns its name here."""
        name = f"{uuid.uuid4().hex}.file"
        shutil.copyfile(path, self.folder / name)
        return name

    # -- the sending thread ----------------------------------------------------------------------

    def pending(self) -> Iterator[bytes]:
        """The records that are there now and were not yielded before, oldest first.

        A segment is deleted when all of it was taken and a newer one begun; a record counts as
        taken when the next one is asked for.
        """
        while True:
            segments = list_segments(self.folder)
            path, offset = self._reading or (segments[0] if segments else None, 0)
            if path is None:
                return
            # Looked at before the last records are read: then nothing can be added behind them.
            newer = next((other for other in segments if other > path), None)
            try:
                for payload, after in read_segment(path, offset):
                    yield payload
                    self._reading = (path, after)
            except FileNotFoundError:  # somebody deleted the folder: there is nothing to send
                self._reading = None
                return
            if newer is None:
                return
            self._writer.sync()
            path.unlink()
            self._reading = (newer, 0)

    def refuse(self, payload: bytes) -> Path:
        """Set a record aside that the other side will never take."""
        writer = SegmentWriter(self.folder.parent / REFUSED, self.client)
        writer.append(payload)
        writer.close()
        assert writer.path is not None
        return writer.path

    def close(self, empty: bool) -> None:
        """Let go of the folder, and delete it when it is empty; another client sends the rest."""
        self._writer.close()
        if empty:
            shutil.rmtree(self.folder, ignore_errors=True)
        os.close(self._lock)

    def abandon(self) -> None:
        """Close this process's descriptors of a folder that belongs to its parent."""
        os.close(self._lock)


def leftovers(root: Path, target: str) -> Iterator[Outbox]:
    """The folders that dead processes left for this target; the caller closes each."""
    for folder in sorted(root.glob("[0-9a-f]*")):
        try:
            if (folder / _TARGET).read_text() != target:
                continue
            lock = _lock(folder)
        except OSError:  # another process was faster
            continue
        if lock is None:
            continue
        if not folder.exists():
            os.close(lock)
            continue
        yield Outbox(folder, lock)


def _lock(folder: Path) -> int | None:
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
