"""Where an MLflow's artifacts lie: a folder, an object store, or behind a server."""

from __future__ import annotations

import functools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import BaseError
from obstore.store import ObjectStore, from_url

from everloop.errors import InvalidInput, Unavailable, invalid
from everloop.passwords import without_users
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.records import MovedFile

PIECE = 1024 * 1024
PROXIED = "mlflow-artifacts"
_STORES = ("s3", "gs", "az", "abfs", "abfss", "s3a")
_DRIVE = re.compile(r"[A-Za-z]:[\\/]")


def below_proxy(location: str) -> str:
    """The path that ``mlflow-artifacts:/path`` or ``mlflow-artifacts://host:5000/path`` names."""
    return unquote(urlsplit(location).path).strip("/")


class Tree(Protocol):
    """The files below one place."""

    def files(self) -> Iterator[MovedFile]:
        """All of them, at any depth."""

    def read(self, path: str) -> Iterator[bytes]:
        """A file's bytes, in pieces."""


class LocalTree:
    """A folder; a link in it is not followed, since it may lead anywhere."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def files(self) -> Iterator[MovedFile]:
        for folder, _, names in os.walk(self.root):
            for name in sorted(names):
                path = Path(folder) / name
                if not path.is_symlink() and path.is_file():
                    relative = path.relative_to(self.root).as_posix()
                    yield MovedFile(relative, path.stat().st_size)

    def read(self, path: str) -> Iterator[bytes]:
        with (self.root / path).open("rb") as file:
            while piece := file.read(PIECE):
                yield piece


@functools.lru_cache(maxsize=64)
def _opened(bucket: str) -> ObjectStore:
    return from_url(bucket)


class StoreTree:
    """A prefix of an object store; credentials come from the environment."""

    def __init__(self, url: str) -> None:
        self.url = url
        # The store is opened at its bucket, so that a key may hold any character.
        parts = urlsplit(url)
        self.prefix = unquote(parts.path.strip("/"))
        try:
            self.store = _opened(f"{parts.scheme}://{parts.netloc}")
        except (BaseError, ValueError) as error:
            raise self._unavailable(error) from error

    def files(self) -> Iterator[MovedFile]:
        inside = self.prefix + "/" if self.prefix else ""
        try:
            for page in obstore.list(self.store, prefix=self.prefix or None):
                for meta in page:
                    if meta["path"].startswith(inside) and not meta["path"].endswith("/"):
                        yield MovedFile(meta["path"][len(inside) :], meta["size"])
        except BaseError as error:
            raise self._unavailable(error) from error

    def read(self, path: str) -> Iterator[bytes]:
        key = f"{self.prefix}/{path}" if self.prefix else path
        try:
            for piece in obstore.get(self.store, key).stream(min_chunk_size=PIECE):
                yield bytes(piece)
        except BaseError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: Exception) -> Unavailable:
        reason = str(error).strip().splitlines()[0]
        return Unavailable(
            f"{without_users(self.url)} cannot be read: {reason}", code="source_unavailable"
        )


class Places:
    """Opens where runs and models keep their artifacts.

    Parameters
    ----------
    proxied : folder or URL that ``mlflow-artifacts:`` stands for, as the server's
        ``--artifacts-destination``; also where folders are looked for that are not at their place.
    base : what a relative path starts from.
    fence : what lies outside of it stays where it is.
    """

    def __init__(self, proxied: str | None, base: Path | None, fence: Fence | None = None) -> None:
        self.proxied = proxied
        self.fence = fence
        self.base = base or Path.cwd()
        if proxied and "://" not in proxied and not Path(proxied).is_dir():
            raise invalid("artifacts_from", proxied, "a folder that is there, or s3://bucket/path")

    def open(self, location: str, kind: str = "run", id: str = "") -> Tree | None:
        """The files at a location; None when they stay where they are.

        Raises InvalidInput when it is known to a server only and nobody said what it stands for.
        """
        found = self._find(location)
        if self.fence is None or found is None:
            return found
        inside = isinstance(found, LocalTree) and self.fence.holds(found.root)
        return found if inside else None

    def _find(self, location: str) -> Tree | None:
        parts = urlsplit(location)
        if parts.scheme == PROXIED:
            return self._below(self._given(location), below_proxy(location))
        if parts.scheme in _STORES:
            return StoreTree(location)
        path = self._path(location)
        if path is None:
            return None
        if not path.is_dir() and self.proxied:
            # Copied from another machine, or thrown away with its experiment.
            depth = 4 if path.parts[-3:-2] == ("models",) else 3
            tail = "/".join(path.parts[-depth:])
            if Path(self.proxied, ".trash", tail).is_dir():
                tail = ".trash/" + tail
            return self._below(self.proxied, tail)
        return LocalTree(path)

    def _path(self, location: str) -> Path | None:
        parts = urlsplit(location)
        if parts.scheme == "file":
            return self.base / unquote(parts.path)
        if parts.scheme == "" or _DRIVE.match(location):
            return self.base / location
        return None

    def _given(self, location: str) -> str:
        if self.proxied is None:
            raise InvalidInput(
                f"The artifacts at {location} are known to the MLflow server only.",
                code="artifacts_unknown",
                fix="Say with --artifacts-from what the server has as --artifacts-destination "
                "(without it: the folder mlartifacts where it runs), or leave artifacts out "
                "with --no-artifacts.",
            )
        return self.proxied

    @staticmethod
    def _below(root: str, path: str) -> Tree:
        names = [name for name in path.split("/") if name not in ("", ".")]
        if ".." in names:
            raise invalid("artifacts", path, "a path that leads nowhere up")
        if "://" in root and not root.startswith("file:"):
            return StoreTree(root.rstrip("/") + "/" + "/".join(names))
        folder = Path(unquote(urlsplit(root).path)) if root.startswith("file:") else Path(root)
        return LocalTree(folder.joinpath(*names))
