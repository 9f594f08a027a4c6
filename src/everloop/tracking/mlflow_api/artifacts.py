"""Artifacts of runs, logged models and model versions, by the place that each of them names."""

from __future__ import annotations

from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import Response

from everloop.tracking.artifacts.paths import join, key_of
from everloop.tracking.artifacts.transfer import download, take
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Message, Required
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import missing_value, refuse
from everloop.tracking.mlflow_api.proxy import files, folder, send, wire_folder, wire_path

MOST_AT_ONCE = 10 * 1024 * 1024
"""Bytes that ``upload-artifact`` takes; it is what MLflow's console sends notes with."""


class ListArtifacts(Message, frozen=True):
    run_id: Required
    path: str = ""


class ListModelFolder(Message, frozen=True):
    model_id: Required
    artifact_directory_path: str = ""


def of_run(api: Api, message: ListArtifacts) -> dict[str, Any]:
    path = wire_folder(message.path)
    return _listing(api, api.runs.get(message.run_id).location, path)


def of_logged_model(api: Api, message: ListModelFolder) -> dict[str, Any]:
    path = wire_folder(message.artifact_directory_path)
    return _listing(api, api.logged_models.get(message.model_id).location, path)


async def file_of_logged_model(api: Api, request: Request) -> Response:
    path = wire_path(_required(request, "artifact_file_path"))
    model = request.path_params["model_id"]
    found = await anyio.to_thread.run_sync(api.logged_models.get, model)
    return await send(api, request, join(key_of(found.location), path))


async def file_of_run(api: Api, request: Request) -> Response:
    path = wire_path(_required(request, "path"))
    run = request.query_params.get("run_id") or _required(request, "run_uuid", "run_id")
    found = await anyio.to_thread.run_sync(api.runs.get, run)
    return await send(api, request, join(key_of(found.location), path))


async def file_of_version(api: Api, request: Request) -> Response:
    path = wire_path(_required(request, "path"))
    name, number = _required(request, "name"), _required(request, "version")
    if not (number.isascii() and number.isdigit() and len(number) < 10):
        raise refuse(f"Model version must be an integer, got '{number[:100]}'")
    version = await anyio.to_thread.run_sync(api.registry.version, name, int(number))
    if path in version.files:
        digest = version.files[path]
        size = await anyio.to_thread.run_sync(api.artifacts.blobs.size, digest)
        return await download(request, api.artifacts, path.rpartition("/")[2], digest, size)
    place = version.location or version.source or ""
    key = await anyio.to_thread.run_sync(_resolved, api, place)
    return await send(api, request, join(key, path))


async def upload(api: Api, request: Request) -> Response:
    for name in ("run_uuid", "path"):
        if not request.query_params.get(name):
            raise refuse(f"Request must specify {name}.")
    path = wire_path(request.query_params["path"])
    run = await anyio.to_thread.run_sync(api.runs.get, request.query_params["run_uuid"])
    key = join(key_of(run.location), path)
    await take(request, api.artifacts, lambda incoming: _keep(api, key, incoming))
    return Response(media_type="application/json")


def _keep(api: Api, key: str, incoming: Any) -> None:
    if not incoming.size:
        raise refuse("Request must specify data.")
    if incoming.size > MOST_AT_ONCE:
        raise refuse("Artifact size is too large. Max size is 10MB.")
    api.artifacts.adopt(key, incoming)


def _listing(api: Api, location: str, path: str) -> dict[str, Any]:
    key = join(key_of(location), path)
    found = folder(api.artifacts, key, f"{path}/" if path else "")
    return {"root_uri": location, **files(found)}


def _resolved(api: Api, place: str) -> str:
    """The key of a version's place, which may be said by way of a run or of a logged model."""
    scheme, _, rest = place.partition(":/")
    first, _, inside = rest.strip("/").partition("/")
    if scheme == "models" and first.startswith("m-"):
        return join(key_of(api.logged_models.get(first).location), inside)
    if scheme == "runs":
        return join(key_of(api.runs.get(first).location), inside)
    return key_of(place)


def _required(request: Request, name: str, shown: str = "") -> str:
    value = request.query_params.get(name)
    if not value:
        raise missing_value(shown or name)
    return value


ENTRIES = (
    Entry("GET", "artifacts/list", of_run, "read", ListArtifacts),
    Entry("GET", "/get-artifact", file_of_run, "read", raw=True),
    Entry("GET", "/model-versions/get-artifact", file_of_version, "read", raw=True),
    Entry("POST", "upload-artifact", upload, "write", raw=True),
    Entry(
        "GET",
        "logged-models/{model_id}/artifacts/directories",
        of_logged_model,
        "read",
        ListModelFolder,
    ),
    Entry(
        "GET",
        "logged-models/{model_id}/artifacts/files",
        file_of_logged_model,
        "read",
        raw=True,
    ),
)
