"""Whether a source is still what it was, without reading its rows."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import obstore

from everloop.data.addresses import OBJECTS, is_database, resolved, scheme
from everloop.data.image_folders import find_images
from everloop.data.sources.files import find_files
from everloop.data.sources.objects import available, found_keys, opened_store
from everloop.data.spec import DataSpec


def has_fingerprint(spec: DataSpec) -> bool:
    """Whether a source has one: files and objects do, a query's answer and a game do not."""
    return spec.environment is None and not is_database(spec.source)


def fingerprint(source: str, base: Path) -> str:
    """A short digest of the names, sizes and times of the files, or of the objects' ETags.

    Raises as :func:`~everloop.data.sources.read.read_table` does when nothing is there.
    """
    address = resolved(source)
    facts = _objects(address) if scheme(address) in OBJECTS else _files(address, base)
    digest = hashlib.sha256()
    for fact in facts:
        digest.update(fact.encode())
        digest.update(b"\n")
    return digest.hexdigest()[:16]


def _files(address: str, base: Path) -> Iterator[str]:
    images = [image.path for image in find_images(address, base)]
    for path in images or find_files(address, base):
        known = path.stat()
        yield f"{path.name} {known.st_size} {known.st_mtime_ns}"


def _objects(address: str) -> Iterator[str]:
    with available(address):
        _, store = opened_store(address)
        wanted = set(found_keys(address, store))
        folder = min(wanted).rpartition("/")[0] or None
        for page in obstore.list(store, prefix=folder):
            for meta in page:
                if meta["path"] in wanted:
                    yield f"{meta['path']} {meta['size']} {meta['e_tag'] or meta['last_modified']}"
