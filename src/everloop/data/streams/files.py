"""Files of this machine that stay where they are."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from everloop.data.references import Part
from everloop.data.sources.files import find_files
from everloop.data.streams._base import CHUNK, Table, changed


class Files(Table):
    """A path or a pattern, from the folder ``base``."""

    def __init__(self, source: str, base: Path, text: Collection[str] = ()) -> None:
        self._source, self._base, self.text = source, base, text

    def parts(self) -> list[Part]:
        return [self._part(path) for path in find_files(self._source, self._base)]

    def names(self) -> list[Part]:
        return [_seen(p, self._address(p), "") for p in find_files(self._source, self._base)]

    @contextmanager
    def opened(self, part: Part) -> Iterator[Path]:
        path = self._base / part.address
        _compare(path, part)
        yield path
        _compare(path, part)

    def _part(self, path: Path) -> Part:
        """Hashed, and found unchanged after it."""
        while True:
            before = _seen(path, self._address(path), "")
            part = _seen(path, before.address, _sha256(path))
            if part.stamp == before.stamp:
                return part

    def _address(self, path: Path) -> str:
        return str(path.relative_to(self._base) if path.is_relative_to(self._base) else path)


def _seen(path: Path, address: str, digest: str) -> Part:
    stat = path.stat()
    return Part(address, stat.st_size, str(stat.st_mtime_ns), digest)


def _compare(path: Path, part: Part) -> None:
    """Refuse a file that is not what it was; only one that was touched is read for it."""
    try:
        now = _seen(path, part.address, part.sha256)
        if now.bytes == part.bytes and now.stamp != part.stamp and part.sha256:
            now = _seen(path, part.address, _sha256(path))
    except OSError as error:
        raise changed(part, str(error.strerror or error).lower()) from None
    if now.bytes != part.bytes:
        raise changed(part, f"{part.bytes:,} bytes then, {now.bytes:,} now")
    if now.sha256 != part.sha256:
        raise changed(part, "its size is the same, its content is not")


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()
