"""Numbers that only rise, under keys; alone in memory, or in a file that others may read.

Each worker of several keeps its numbers in a file that is mapped into memory: adding to one costs
no system call, whoever is asked for metrics sums the files of all, and the numbers of a worker that
is killed stay, since the pages are the kernel's. Its successor goes on counting in the same file.

A file is a sequence of records of ``RECORD`` bytes: the length of the key, the key as a JSON list,
and ``CELLS`` doubles from ``PLACE`` on. A double holds whole numbers up to 2^53.
"""

from __future__ import annotations

import mmap
import os
import threading
import time
from array import array
from collections.abc import Iterable, Iterator
from operator import add
from pathlib import Path
from typing import TypeAlias

import msgspec

Key = tuple[str | int, ...]
Cells: TypeAlias = "memoryview[float]"

CELLS = 24
RECORD = 1024
PLACE = RECORD - 8 * CELLS
LOOK_S = 0.5  # between two looks for a key that is not there yet
CHUNK = 16 * mmap.ALLOCATIONGRANULARITY  # that the file grows by

_keys = msgspec.json.Decoder(tuple[str | int, ...])


class Tally:
    """The numbers of this process; ``path`` is its file, None where nobody else reads it.

    Keys may be asked for in any thread; the numbers are changed on the event loop only.
    """

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._cells: dict[Key, Cells] = {}
        self._chunks: list[memoryview] = []
        self._records = 0  # in the file
        self._growing = threading.Lock()
        if path is not None:
            path.touch(mode=0o600)
            for place, (key, _) in enumerate(_records(path.read_bytes())):
                self._cells[key] = self._mapped(place)
                self._records = place + 1

    def cells(self, *key: str | int) -> Cells:
        """The numbers under a key, ``CELLS`` of them, to be added to in place."""
        found = self._cells.get(key)
        if found is None:
            with self._growing:
                found = self._cells.get(key) or self._cells.setdefault(key, self._fresh(key))
        return found

    def read(self) -> dict[Key, list[float]]:
        """All of them now."""
        return {key: list(cells) for key, cells in list(self._cells.items())}

    def zero(self, kind: str) -> None:
        """Set all numbers of a kind to 0."""
        for key, cells in self._cells.items():
            if key[0] == kind:
                for place in range(CELLS):
                    cells[place] = 0.0

    def _fresh(self, key: Key) -> Cells:
        name = msgspec.json.encode(key)
        if self._path is None or len(name) > PLACE - 4:
            return memoryview(array("d", bytes(8 * CELLS)))
        try:
            cells = self._mapped(self._records)
        except OSError:  # a full disk: these are not seen by others, and nobody waits for them
            return memoryview(array("d", bytes(8 * CELLS)))
        chunk, at = self._chunk(self._records)
        self._records += 1
        # The length comes last: until then readers see no record.
        chunk[at + 4 : at + 4 + len(name)] = name
        chunk[at : at + 4] = len(name).to_bytes(4, "little")
        return cells

    def _mapped(self, place: int) -> Cells:
        chunk, at = self._chunk(place)
        return chunk[at + PLACE : at + RECORD].cast("d")

    def _chunk(self, place: int) -> tuple[memoryview, int]:
        """The piece of the file that holds a record, and where in it."""
        number, at = divmod(place * RECORD, CHUNK)
        while number >= len(self._chunks):
            self._chunks.append(self._map(len(self._chunks)))
        return self._chunks[number], at

    def _map(self, number: int) -> memoryview:
        assert self._path is not None, "only a file is mapped"
        fd = os.open(self._path, os.O_RDWR | os.O_CLOEXEC)
        try:
            end = (number + 1) * CHUNK
            if os.fstat(fd).st_size < end:
                os.posix_fallocate(fd, number * CHUNK, CHUNK)  # a full disk is told of here
            return memoryview(mmap.mmap(fd, CHUNK, offset=number * CHUNK))
        finally:
            os.close(fd)


class Others:
    """The numbers of other processes under one key, as they are at this moment.

    ``paths`` : their files. One that has no such key yet counts as 0, and is looked at again.
    """

    def __init__(self, paths: Iterable[Path], *key: str | int) -> None:
        self._missing = list(paths)
        self._key = msgspec.json.encode(key)
        self._found: list[Cells] = []
        self._next_look = 0.0

    def sum(self, cell: int) -> float:
        """Over all of them; costs a read of memory each."""
        if self._missing and time.monotonic() >= self._next_look:
            self._next_look = time.monotonic() + LOOK_S
            self._missing = [path for path in self._missing if not self._look(path)]
        return sum(cells[cell] for cells in self._found)

    def _look(self, path: Path) -> bool:
        try:
            with path.open("rb") as file:
                data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
        except (OSError, ValueError):  # not there, or empty
            return False
        for key, at in _keys_in(data):
            if key == self._key:
                self._found.append(data[at + PLACE : at + RECORD].cast("d"))
                return True
        return False


def read_all(
    paths: Iterable[Path], own: dict[Key, list[float]] | None = None
) -> dict[Key, list[float]]:
    """The sum over files of other processes, and the numbers of one's ``own``."""
    found = dict(own or {})
    for path in paths:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            continue
        for key, cells in _records(data):
            found[key] = list(map(add, found[key], cells)) if key in found else list(cells)
    return found


def _records(data: bytes) -> list[tuple[Key, Cells]]:
    view = memoryview(data)
    return [
        (_keys.decode(key), view[at + PLACE : at + RECORD].cast("d")) for key, at in _keys_in(view)
    ]


def _keys_in(data: memoryview) -> Iterator[tuple[bytes, int]]:
    """The key of each record, and where that begins."""
    for at in range(0, len(data) - RECORD + 1, RECORD):
        length = int.from_bytes(data[at : at + 4], "little")
        if not 0 < length <= PLACE - 4:
            break
        yield bytes(data[at + 4 : at + 4 + length]), at
