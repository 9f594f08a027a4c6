"""The log of data planes on other machines, taken over HTTP into segments of this machine.

A sender asks how much of a segment is here and goes on from there. What is here is on the disk
before it is said to be, and what was shipped counts as here when the file is gone: the segment
then begins with a hole, which nobody reads. So each byte may come twice and counts once, and the
servers of one database may take turns.
"""

from __future__ import annotations

import fcntl
import os
import re
from pathlib import Path

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict, invalid
from everloop.monitor.shipping import KINDS
from everloop.store.database import Database
from everloop.store.tables import log_offsets

_NAME = re.compile(r"(predictions|feedback)-\d{20}-[0-9a-f]{8}\.seg")


class Size(msgspec.Struct, frozen=True):
    """How many bytes of a segment are safe here."""

    size: int


class Receiver:
    """Takes segments below ``folder``, where the shipper finds them."""

    def __init__(self, db: Database, folder: Path) -> None:
        self.db = db
        self.folder = folder

    def size(self, kind: str, name: str) -> Size:
        """How much of a segment is here. Raises InvalidInput for a name that no segment has."""
        path = self._path(kind, name)
        shipped = sa.select(log_offsets.c.offset).where(log_offsets.c.segment == f"{kind}/{name}")
        with self.db.read() as conn:
            known = conn.execute(shipped).scalar() or 0
        try:
            return Size(max(path.stat().st_size, known))
        except FileNotFoundError:
            return Size(known)

    def append(self, kind: str, name: str, offset: int, data: bytes) -> Size:
        """Add bytes at ``offset``; returns the new size once they are on the disk.

        Raises :class:`~everloop.errors.Conflict` when the segment ends elsewhere.
        """
        path = self._path(kind, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX)
            size = self.size(kind, name).size
            if offset != size:
                raise Conflict(
                    f"offset: got {offset}, expected {size}, where the segment ends.",
                    code="offset_moved", path="offset", got=offset, expected=size,
                )  # fmt: skip
            os.ftruncate(fd, size)
            done = 0
            while done < len(data):
                done += os.pwrite(fd, data[done:], size + done)
            os.fsync(fd)
            return Size(size + len(data))
        finally:
            os.close(fd)

    def _path(self, kind: str, name: str) -> Path:
        if kind not in KINDS:
            raise invalid("kind", kind, "one of " + ", ".join(KINDS))
        if not _NAME.fullmatch(name) or not name.startswith(kind):
            raise invalid("segment", name, f"a name such as {kind}-NUMBER-HEX.seg")
        return self.folder / kind / name
