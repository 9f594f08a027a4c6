"""Files of runs, and the deletion of what was deleted long ago."""

from __future__ import annotations

import functools

import anyio.to_thread
import msgspec
from starlette.responses import Response

from everloop.durations import milliseconds
from everloop.server.call import Answer, Call, Page
from everloop.tracking.artifacts.paths import check_folder, check_path, join, key_of
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.artifacts.transfer import download, take
from everloop.tracking.deletion.collection import Collected
from everloop.tracking.runs import deleted


class CollectBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """How long what was deleted is kept, as ``30d``; a dry run only counts."""

    older_than: str = "30d"
    dry_run: bool = False


class DeletedFiles(msgspec.Struct, frozen=True):
    """How many files are gone."""

    deleted: int


def listing(call: Call) -> Page:
    """What lies directly in a folder of a run, by name."""
    root = _root(call)
    folder = join(root, check_folder(call.query.get("folder", "")))
    found = call.project.artifacts.list(folder, call.limit(), call.query.get("after"))
    return Page([_inside(root, entry) for entry in found.items], found.next)


async def get(call: Call) -> Response:
    """A file, or the part of it that the header Range asks for."""
    artifacts = call.project.artifacts
    entry = await anyio.to_thread.run_sync(lambda: artifacts.file(_key(call, writing=False)))
    return await download(call.request, artifacts, entry.name, entry.digest or "", entry.size or 0)


async def put(call: Call) -> Answer:
    """Store a file; one that is there is overwritten when all of the new one has come."""
    artifacts = call.project.artifacts
    key = await anyio.to_thread.run_sync(lambda: _key(call, writing=True))
    entry = await take(call.request, artifacts, functools.partial(artifacts.adopt, key))
    return Answer(_inside(key.removesuffix(call.path["path"]).rstrip("/"), entry), 201)


def delete(call: Call) -> DeletedFiles:
    """Remove a file, or a folder with all inside."""
    return DeletedFiles(call.project.artifacts.delete(_key(call, writing=True)))


def collect(call: Call) -> Collected:
    """Free what was deleted long ago."""
    body: CollectBody = call.body
    older_than = milliseconds(body.older_than, "older_than")
    return call.project.gc(older_than, dry_run=body.dry_run, actor=call.actor)


def _key(call: Call, writing: bool) -> str:
    path = check_path(call.path["path"])
    run = call.project.runs.get(call.path["run"])
    if writing and run.deleted is not None:
        raise deleted(run.id)
    return join(key_of(run.location), path)


def _root(call: Call) -> str:
    return key_of(call.project.runs.get(call.path["run"]).location)


def _inside(root: str, entry: Entry) -> Entry:
    """The entry, its path as it is inside the run."""
    return msgspec.structs.replace(entry, path=entry.path.removeprefix(root + "/"))
