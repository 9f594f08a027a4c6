"""Files that pages link to, under names that carry their hash so that they can be kept for ever."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

MEDIA = {
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "svg": "image/svg+xml",
}


class Asset(NamedTuple):
    """A file's bytes and type."""

    body: bytes
    media_type: str


def _load() -> tuple[dict[str, Asset], dict[str, str]]:
    found: dict[str, Asset] = {}
    urls: dict[str, str] = {}
    for file in _files(files("everloop.console").joinpath("static")):
        stem, _, kind = file.name.rpartition(".")
        if kind not in MEDIA:
            continue
        body = file.read_bytes()
        name = f"{stem}.{hashlib.sha256(body).hexdigest()[:12]}.{kind}"
        found[name] = Asset(body, MEDIA[kind])
        urls[file.name] = f"/assets/{name}"
    return found, urls


def _files(folder: Traversable) -> Iterator[Traversable]:
    """Our own, and in ``vendor`` what the build brought from npm."""
    for entry in folder.iterdir():
        if entry.is_dir():
            yield from _files(entry)
        else:
            yield entry


FILES, URLS = _load()
"""Assets by hashed name, and the path of each by its plain name."""
