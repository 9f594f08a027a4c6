"""Objects of a store, fetched one at a time and let go again."""

from __future__ import annotations

import hashlib
import tempfile
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

import obstore
from obstore.store import ObjectStore

from everloop.data.references import Part
from everloop.data.sources.objects import available, found_keys, opened_store
from everloop.data.streams._base import CHUNK, Table, changed


class Objects(Table):
    """An address in a store, or a pattern there.

    Every pass fetches each object once more, to a file that is gone after it, and compares the
    hash of what came; never more than one of them is on this machine.
    """

    def __init__(self, address: str, text: Collection[str] = ()) -> None:
        self._address, self.text = address, text

    def parts(self) -> list[Part]:
        with available(self._address):
            root, store = opened_store(self._address)
            return [self._part(root, store, key) for key in found_keys(self._address, store)]

    def names(self) -> list[Part]:
        with available(self._address):
            root, store = opened_store(self._address)
            return [Part(f"{root}/{key}", 0, "", "") for key in found_keys(self._address, store)]

    def marks(self) -> list[Part]:
        with available(self._address):
            root, store = opened_store(self._address)
            found = [(key, obstore.head(store, key)) for key in found_keys(self._address, store)]
        return [
            Part(f"{root}/{key}", int(meta["size"]), str(meta.get("e_tag") or ""), "")
            for key, meta in found
        ]

    @contextmanager
    def opened(self, part: Part) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="everloop-") as scratch:
            path = Path(scratch) / PurePosixPath(part.address).name
            with available(part.address), path.open("wb") as file:
                root, store = opened_store(self._address)
                key = part.address.removeprefix(f"{root}/")
                digest = hashlib.sha256()
                got = obstore.get(store, key)
                now = str(got.meta.get("e_tag") or "")
                if part.stamp and not part.sha256 and now != part.stamp:
                    raise changed(part, "its ETag is another")
                for chunk in got.stream(min_chunk_size=CHUNK):
                    digest.update(chunk)
                    file.write(chunk)
            if part.sha256 and digest.hexdigest() != part.sha256:
                size = path.stat().st_size
                raise changed(part, f"{part.bytes:,} bytes then, {size:,} now")
            yield path

    def _part(self, root: str, store: ObjectStore, key: str) -> Part:
        digest = hashlib.sha256()
        got = obstore.get(store, key)
        for chunk in got.stream(min_chunk_size=CHUNK):
            digest.update(chunk)
        stamp = str(got.meta.get("e_tag") or "")
        return Part(f"{root}/{key}", int(got.meta["size"]), stamp, digest.hexdigest())
