"""What data planes on other machines are told, and what they bring back."""

from __future__ import annotations

import asyncio
import hashlib
import re

import anyio.to_thread
import msgspec
from starlette.responses import FileResponse, Response

from everloop.data.pseudonyms import PURPOSE
from everloop.deploy.package import MANIFEST, SIGNATURE, read_package
from everloop.deploy.serving.following import Published
from everloop.deploy.serving.standing import Standing, keep_report
from everloop.deploy.state import package_path, read_state, state_path
from everloop.errors import NotFound, invalid
from everloop.monitor.receiving import Size
from everloop.server.call import Call

LOOK_S = 0.1  # between two looks at the file while a caller waits
_PLANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,199}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


async def state(call: Call) -> Response:
    """The desired state, at once or as soon as it is another than ``after``; 204 after ``wait``."""
    wait = call.whole("wait", 0, 0, 60) or 0
    loop = asyncio.get_running_loop()
    deadline = loop.time() + wait
    while (etag := _etag(call)) == call.query.get("after"):
        if loop.time() >= deadline or call.context.live.closed:
            return Response(status_code=204)
        await asyncio.sleep(LOOK_S)
    said = await anyio.to_thread.run_sync(_published, call, etag)
    return Response(msgspec.json.encode(said), media_type="application/json")


def package(call: Call) -> list[str]:
    """The names of a package's files."""
    folder = package_path(call.project.state, _digest(call))
    return [*read_package(folder, None).files, MANIFEST, SIGNATURE]


def file(call: Call) -> Response:
    """A file of a package, by a name of the list."""
    if call.path["path"] not in package(call):
        raise NotFound(f"The package has no file {call.path['path']!r}.")
    return FileResponse(package_path(call.project.state, _digest(call)) / call.path["path"])


def report(call: Call) -> Standing:
    """Keep what a data plane says of itself."""
    name = call.path["plane"]
    if not _PLANE.fullmatch(name):
        raise invalid("plane", name, "letters, digits, '_', '-' or '.'")
    keep_report(call.project.serving_dir, name, call.body)
    return call.body  # type: ignore[no-any-return]


def size(call: Call) -> Size:
    """How much of a segment of the log is here."""
    return call.project.receiver.size(call.path["kind"], call.path["segment"])


def append(call: Call) -> Size:
    """Take bytes of a segment of the log."""
    offset = call.whole("offset", 0, 0, 2**53) or 0
    return call.project.receiver.append(
        call.path["kind"], call.path["segment"], offset, bytes(call.body)
    )


def _etag(call: Call) -> str:
    """What the state is known by; a file of a few hundred bytes is read as fast as looked up."""
    try:
        said = state_path(call.project.state).read_bytes()
    except FileNotFoundError:
        said = b""
    return hashlib.sha256(said).hexdigest()[:16]


def _published(call: Call, etag: str) -> Published:
    project = call.project
    desired = read_state(state_path(project.state))
    hashes = any(
        e.log is not None and (e.log.hash or e.log.ids) for e in desired.endpoints.values()
    )
    key = project.keys.derive(PURPOSE).hex() if hashes else ""
    public = (project.state / "keys" / "signing.pub").read_text("ascii")
    return Published(etag, desired, public, key)


def _digest(call: Call) -> str:
    digest = call.path["digest"]
    served = read_state(state_path(call.project.state)).endpoints.values()
    if not _DIGEST.fullmatch(digest) or all(a.digest != digest for e in served for a in e.arms):
        raise NotFound(f"No endpoint serves the package {digest[:64]!r}.")
    return digest
