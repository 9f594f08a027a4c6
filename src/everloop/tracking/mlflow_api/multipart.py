"""Large files in parts, through addresses that are this server's own.

The protocol has its clients send the parts, and fetch ranges, without the headers of their other
requests; so each address comes with the Authorization that its asker used.
"""

from __future__ import annotations

import functools
from typing import Any

import anyio.to_thread
import msgspec
from msgspec import field
from starlette.requests import Request
from starlette.responses import Response

from everloop.tracking.artifacts.paths import join
from everloop.tracking.artifacts.transfer import take
from everloop.tracking.artifacts.uploads import MAX_PARTS, Uploads, check_part
from everloop.tracking.mlflow_api.api import Api
from everloop.tracking.mlflow_api.decode import Int64, Message, Reader, Required
from everloop.tracking.mlflow_api.entry import Entry
from everloop.tracking.mlflow_api.errors import bad_value, refuse
from everloop.tracking.mlflow_api.proxy import ROOT, wire_path


class CreateUpload(Message, frozen=True):
    artifact_path: str
    path: Required
    num_parts: Int64 = 1


class Part(Message, frozen=True):
    part_number: Int64
    etag: str = ""


class CompleteUpload(Message, frozen=True):
    upload_id: Required
    parts: list[Part] = field(default_factory=list)


class AbortUpload(Message, frozen=True):
    upload_id: Required


_CREATE = Reader(CreateUpload)


async def create(api: Api, request: Request) -> Response:
    message = _CREATE.body(await request.body(), request.path_params)
    if not 1 <= message.num_parts <= MAX_PARTS:
        raise bad_value("num_parts", message.num_parts)
    # Clients send the file's whole path on their own disk.
    name = message.path.replace("\\", "/").rpartition("/")[2]
    path = wire_path(join(message.artifact_path, name))
    upload = await anyio.to_thread.run_sync(Uploads(api.artifacts).begin, path)
    return _json(
        {
            "upload_id": upload,
            "credentials": [
                {
                    "url": _address(request, f"{ROOT}/mpu/part/{upload}/{number}"),
                    "part_number": number,
                    "headers": _authorization(request),
                }
                for number in range(1, message.num_parts + 1)
            ],
        }
    )


async def part(api: Api, request: Request) -> Response:
    upload, text = request.path_params["upload"], request.path_params["part"]
    number = check_part(int(text) if text.isascii() and text.isdigit() and len(text) < 6 else 0)
    uploads = Uploads(api.artifacts)
    digest = await take(request, uploads, functools.partial(uploads.part, upload, number))
    return Response(headers={"etag": f'"{digest}"'})


def complete(api: Api, message: CompleteUpload) -> None:
    parts = [(one.part_number, one.etag.strip('"')) for one in message.parts]
    Uploads(api.artifacts).complete(message.upload_id, parts)


def abort(api: Api, message: AbortUpload) -> None:
    Uploads(api.artifacts).abort(message.upload_id)


async def presigned(api: Api, request: Request) -> Response:
    path = wire_path(request.path_params["path"])
    entry = await anyio.to_thread.run_sync(api.artifacts.file, path)
    where = request.url.path.replace("/mlflow-artifacts/presigned/", "/mlflow-artifacts/artifacts/")
    return _json(
        {
            "url": _address(request, where),
            "headers": _authorization(request),
            "file_size": entry.size,
        }
    )


def no_presigned(api: Api, message: Message) -> None:
    raise refuse(
        "Presigned transfers are not supported for proxied artifact storage "
        "(artifact URI scheme: mlflow-artifacts). "
        "This endpoint requires a direct cloud storage artifact URI."
    )


def _json(value: Any) -> Response:
    return Response(msgspec.json.encode(value), media_type="application/json")


def _address(request: Request, path: str) -> str:
    return str(request.url.replace(path=path, query="", fragment=""))


def _authorization(request: Request) -> dict[str, str]:
    found = request.headers.get("authorization")
    return {} if found is None else {"Authorization": found}


ENTRIES = (
    Entry("POST", f"{ROOT}/mpu/create/{{artifact_path:path}}", create, "write", raw=True),
    Entry("PUT", f"{ROOT}/mpu/part/{{upload}}/{{part}}", part, "write", raw=True),
    Entry("POST", f"{ROOT}/mpu/complete/{{artifact_path:path}}", complete, "write", CompleteUpload),
    Entry("POST", f"{ROOT}/mpu/abort/{{artifact_path:path}}", abort, "write", AbortUpload),
    Entry("GET", f"{ROOT}/presigned/{{path:path}}", presigned, "read", raw=True),
    Entry("POST", "artifacts/presigned-upload-url", no_presigned, "write"),
    Entry("POST", "artifacts/presigned-download-url", no_presigned, "read"),
)
