"""Files that are replaced whole: a kill or a power cut leaves the old one or the new one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, *, lasting: bool = True) -> Iterator[Path]:
    """Yield a place beside ``path`` to write the new file to; it takes its place in the end.

    The folder is made when missing. When the block raises, all is as it was. With ``lasting`` the
    file and its name are on the disk when this returns; without, a power cut may bring the old
    one back, which is enough for news that is written every second.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f".{path.name[:100]}.{os.getpid()}.{os.urandom(4).hex()}")
    try:
        yield fresh
        if lasting:
            sync(fresh)
        fresh.replace(path)
        if lasting:
            sync(path.parent)
    finally:
        fresh.unlink(missing_ok=True)


def replace_file(path: Path, data: bytes, *, lasting: bool = True) -> None:
    """Let ``path`` hold ``data``, as :func:`replacing` does it."""
    with replacing(path, lasting=lasting) as fresh:
        fresh.write_bytes(data)


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
