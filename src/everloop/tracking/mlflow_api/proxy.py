"""The ``mlflow-artifacts:`` proxy: files put, read, listed and deleted by their keys."""

from __future__ import annotations

import functools
import re
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from everloop.errors import InvalidInput, NotFound
from everloop.tracking.artifacts.paths import check_path, decoded
from everloop.tracking.artifacts.store import ArtifactStore
from everloop.tracking.artifacts.transfer import download, soon, take
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Message
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import refuse

ROOT = "/api/2.0/mlflow-artifacts"
_CONTROL = re.compile(r"[\x01-\x1f\x7f]")


class ListFolder(Message, frozen=True):
    path: str = ""


def wire_path(text: str) -> str:
    """A path as MLflow's server reads it: decoded to the end, control characters written out."""
    try:
        path = _CONTROL.sub(lambda found: f"%{ord(found[0]):02x}", decoded(text))
        return check_path(path)
    except InvalidInput:
        raise refuse("Invalid path") from None


def wire_folder(text: str) -> str:
    """The same for a folder to list, which clients may also call ``.`` or end with a slash."""
    if text.startswith("/"):
        raise refuse("Invalid path")
    names = [name for name in text.split("/") if name not in ("", ".")]
    return wire_path("/".join(names)) if names else ""


def folder(artifacts: ArtifactStore, key: str, shown: str) -> list[dict[str, Any]]:
    """What lies in a folder, in the protocol's form, below the path ``shown``."""
    found: list[dict[str, Any]] = []
    page = artifacts.list(key)
    while True:
        for entry in page.items:
            file: dict[str, Any] = {"path": shown + entry.name, "is_dir": entry.is_dir}
            if not entry.is_dir:
                file["file_size"] = entry.size
            found.append(file)
        if page.next is None:
            return found
        page = artifacts.list(key, after=page.next)


def files(found: list[dict[str, Any]]) -> dict[str, Any]:
    """A listing as protobuf has it: an empty one is left out."""
    return {"files": found} if found else {}


async def send(api: Api, request: Request, key: str) -> Response:
    """The response with the file of a key."""
    entry = await soon(api.artifacts, 0, functools.partial(api.artifacts.file, key))
    assert entry.digest is not None
    assert entry.size is not None
    return await download(request, api.artifacts, entry.name, entry.digest, entry.size)


async def get(api: Api, request: Request) -> Response:
    return await send(api, request, wire_path(request.path_params["path"]))


async def put(api: Api, request: Request) -> Response:
    path = wire_path(request.path_params["path"])
    store = api.artifacts
    await take(request, store, functools.partial(store.adopt, path))
    return Response(b"{}", media_type="application/json")


def delete(api: Api, message: ListFolder) -> None:
    try:
        api.artifacts.delete(wire_path(message.path))
    except NotFound:
        return  # gone is gone


def listing(api: Api, message: ListFolder) -> dict[str, Any]:
    return files(folder(api.artifacts, wire_folder(message.path), ""))


ENTRIES = (
    Entry("GET", f"{ROOT}/artifacts", listing, "read", ListFolder),
    Entry("GET", f"{ROOT}/artifacts/{{path:path}}", get, "read", raw=True),
    Entry("PUT", f"{ROOT}/artifacts/{{path:path}}", put, "write", raw=True),
    Entry("DELETE", f"{ROOT}/artifacts/{{path:path}}", delete, "write", ListFolder),
)
