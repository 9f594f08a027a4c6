"""Append-only segment files: the durable log between the data plane and the rest.

A segment is eight bytes of magic and then records: the payload's length and CRC-32 (two
little-endian 32-bit numbers) and the payload, a MessagePack map. Whoever reads takes records up
to the first one that is cut off or does not match its checksum, so that a power cut costs the
tail that was not yet on the disk and nothing before it. A segment has one writer; it is never
written again after that process ends, and its name sorts by the time of its creation.

Only the standard library and msgspec are imported here: the data plane writes these files.
"""

from __future__ import annotations

import fcntl
import os
import struct
import threading
import time
import zlib
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import msgspec

from everloop.replacing import sync

MAGIC = b"EVSEG\x00\x00\x01"
SUFFIX = ".seg"
MAX_RECORD = 1 << 30  # a length beyond this is not a length

_HEADER = struct.Struct("<II")
_encoder = msgspec.msgpack.Encoder()


class Numbers(msgspec.Struct, array_like=True, gc=False, frozen=True):
    """The numbers of a request at once: float64 (little-endian), row by row, NaN where missing."""

    names: tuple[str, ...]
    values: bytes

    def columns(self) -> dict[str, list[float | None]]:
        """Each column's values, None where missing."""
        flat = [None if v != v else v for v in array("d", self.values)]
        return {name: flat[place :: len(self.names)] for place, name in enumerate(self.names)}


class PredictionRecord(msgspec.Struct, gc=False, kw_only=True):
    """One answered request of one version. Lists are as long as the request has rows.

    ``columns`` : feature -> the values as they were sent; those of kind number may stand in
    ``numbers`` instead. ``p`` : a list a row, or the same as float64, row by row.
    """

    v: int = 1
    at: int  # ms, UTC
    request: str
    endpoint: str
    version: int
    arm: Literal["champion", "canary", "variant", "interleaved", "shadow", "standby"]
    ids: list[str]
    times: list[int | None] | None  # ms, UTC; None when the request names no time
    columns: dict[str, Any]
    y: list[Any]  # empty when the model failed
    p: list[list[float]] | bytes | None
    ms: float  # from the request's arrival to the answer
    error: str | None = None
    steps: int | None = None  # of a stream that answered the one row; y is its last
    rate: float = 1.0  # share of the rows that is kept; each kept one stands for 1 / rate
    numbers: Numbers | None = None
    marks: list[list[str]] | None = None  # what is not as expected: a check and its feature

    def unpacked(self) -> PredictionRecord:
        """The same with lists alone."""
        p = self.p
        if self.numbers is None and not isinstance(p, bytes):
            return self
        if isinstance(p, bytes):
            flat = array("d", p).tolist()
            width = len(flat) // max(1, len(self.ids))
            p = [flat[i : i + width] for i in range(0, len(flat), width)]
        numbers = {} if self.numbers is None else self.numbers.columns()
        return msgspec.structs.replace(self, p=p, columns=numbers | self.columns, numbers=None)


class FeedbackRecord(msgspec.Struct, gc=False, kw_only=True):
    """Labels that came for rows predicted earlier."""

    v: int = 1
    at: int
    endpoint: str
    ids: list[str]
    labels: list[Any]


def encode_record(record: PredictionRecord | FeedbackRecord) -> bytes:
    """The payload of a record."""
    return _encoder.encode(record)


class SegmentWriter:
    """Appends records to segments of its own in ``folder``; safe to call from several threads.

    Parameters
    ----------
    folder : made when missing.
    prefix : start of the files' names, such as ``"predictions"``.
    max_bytes, max_age : a segment that has reached this size, or is that many seconds old when
        a record comes, is closed and the next one begun.
    fsync : make :meth:`append` wait for the disk each time. Left off, call :meth:`sync` for
        many appends together (group commit).

    Its segment is locked (``flock``) while it may grow, see :func:`is_open`.

    The first append of a writer begins a new segment. An append either is in the file whole when
    it returns or raises ``OSError`` and leaves no trace that a reader would stumble over.
    """

    def __init__(
        self,
        folder: Path,
        prefix: str,
        max_bytes: int = 64 << 20,
        fsync: bool = False,
        max_age: float = float("inf"),
    ) -> None:
        self._folder = Path(folder)
        self._folder.mkdir(parents=True, exist_ok=True)
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._max_age = max_age
        self._fsync = fsync
        self._fd = -1
        self._ends = 0.0
        self.written = 0  # bytes, to all its segments
        self._size = 0
        self._stamp = 0
        self._dirty = False
        self._full: list[int] = []  # descriptors that wait for their last fsync
        self._lock = threading.Lock()
        self._syncing = threading.Lock()
        self.path: Path | None = None

    def append(self, *payloads: bytes) -> None:
        """Hand records to the operating system before returning: all of them, or none."""
        records = b"".join(
            part
            for payload in payloads
            for part in (_HEADER.pack(len(payload), zlib.crc32(payload)), payload)
        )
        with self._lock:
            if self._fd < 0 or self._size >= self._max_bytes or time.monotonic() >= self._ends:
                self._begin()
            self._write(records)
            self._dirty = True
        if self._fsync:
            self.sync()

    def sync(self, closed: bool = False) -> None:
        """Wait until everything appended before the call is on the disk.

        With ``closed`` only what lies in segments that are no longer written.
        """
        with self._syncing:
            with self._lock:
                full, self._full = self._full, []
                # A duplicate stays valid when a rotation closes the original meanwhile.
                current = os.dup(self._fd) if self._dirty and self._fd >= 0 and not closed else -1
                self._dirty = self._dirty and closed
            try:
                for fd in (*full, *([current] if current >= 0 else [])):
                    os.fsync(fd)
            finally:
                for fd in (*full, *([current] if current >= 0 else [])):
                    os.close(fd)

    def close(self) -> None:
        """Bring everything to the disk and let go of the files."""
        self.sync()
        with self._lock:
            if self._fd >= 0:
                os.close(self._fd)
                self._fd = -1

    def _begin(self) -> None:
        if self._fd >= 0:
            fcntl.flock(self._fd, fcntl.LOCK_UN)
            self._full.append(self._fd)
            self._fd = -1
        # Two segments of this writer never get one stamp; the random part parts the processes.
        self._stamp = max(time.time_ns(), self._stamp + 1)
        path = self._folder / f"{self._prefix}-{self._stamp:020d}-{os.urandom(4).hex()}{SUFFIX}"
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._size, self._ends = 0, time.monotonic() + self._max_age
        self.path = path
        self._write(MAGIC)
        sync(self._folder)

    def _write(self, data: bytes) -> None:
        done = 0
        try:
            while done < len(data):
                done += os.write(self._fd, data[done:] if done else data)
        except OSError:
            self._take_back(done)
            raise
        self._size += done
        self.written += done

    def _take_back(self, written: int) -> None:
        """Remove half a record; where that fails too, nothing may follow it in this segment."""
        try:
            if written:
                os.ftruncate(self._fd, self._size)
            if self._size < len(MAGIC):
                raise OSError("no magic was written")
        except OSError:
            os.close(self._fd)
            self._fd = -1


def list_segments(folder: Path, prefix: str = "") -> list[Path]:
    """The segments in a folder, oldest first; an absent folder holds none."""
    return sorted(path for path in Path(folder).glob(f"{prefix}*{SUFFIX}") if path.is_file())


def is_open(path: Path) -> bool:
    """Whether a living writer may still append to the segment."""
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def read_segment(path: Path, offset: int = 0) -> Iterator[tuple[bytes, int]]:
    """Yield ``(payload, next_offset)`` of each whole record from ``offset`` on.

    ``offset`` is 0 or a ``next_offset`` yielded earlier. Ends without an error at the first
    record that is cut off or damaged; more may be there later while the segment is being written.
    """
    with Path(path).open("rb") as file:
        if offset < len(MAGIC):
            if file.read(len(MAGIC)) != MAGIC:
                return
            offset = len(MAGIC)
        file.seek(offset)
        while len(header := file.read(_HEADER.size)) == _HEADER.size:
            length, checksum = _HEADER.unpack(header)
            if not 0 < length <= MAX_RECORD:
                return
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload) != checksum:
                return
            offset += _HEADER.size + length
            yield payload, offset
