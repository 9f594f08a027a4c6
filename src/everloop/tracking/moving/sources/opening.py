"""Which kind of MLflow an address is, and how it is opened."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from everloop.errors import invalid
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.sources.base import Source
from everloop.tracking.moving.sources.database import DatabaseSource
from everloop.tracking.moving.sources.folder import FolderSource
from everloop.tracking.moving.sources.rest import RestSource


def open_source(
    address: str, artifacts_from: str | None = None, fence: Fence | None = None
) -> Source:
    """The MLflow at an address.

    ``http(s)://host:5000`` is a server, ``sqlite:///mlflow.db`` or ``postgresql://…`` its
    database, a folder (or ``file:…``) its file store. A ``fence`` refuses what lies outside. Raises
    :class:`~everloop.errors.InvalidInput` for what is none of them, and
    :class:`~everloop.errors.Unavailable` for one that cannot be reached.
    """
    if fence is not None:
        fence.check("source", address)
        if artifacts_from is not None:
            fence.check("artifacts_from", artifacts_from)
    scheme = urlsplit(address).scheme
    if scheme in ("http", "https"):
        return RestSource(address, artifacts_from, fence)
    if scheme in ("", "file"):
        path = Path(address.removeprefix("file://").removeprefix("file:"))
        if path.is_file():
            return DatabaseSource(f"sqlite:///{path.absolute()}", artifacts_from, fence)
        return FolderSource(path, artifacts_from, fence)
    if "://" in address:
        return DatabaseSource(address, artifacts_from, fence)
    raise invalid("source", address, "sqlite:///mlflow.db, http://host:5000 or a folder mlruns")
