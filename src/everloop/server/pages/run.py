"""A run's page, and the files on it that are pages themselves."""

from __future__ import annotations

import anyio.to_thread
from starlette.responses import RedirectResponse, Response

from everloop.console.runs.again import read_again
from everloop.console.runs.previews import KINDS
from everloop.console.runs.run import RunPage, read_run_page
from everloop.errors import invalid
from everloop.loop.loop import loop_of
from everloop.server.api.curves import view_of
from everloop.server.call import Call
from everloop.server.pages._base import HTML, shown
from everloop.tracking.artifacts.paths import check_path, join, key_of
from everloop.tracking.artifacts.store import Entry
from everloop.tracking.artifacts.transfer import download

QUERY = ("folder", "file", "x", "from", "to", "smooth", "log")
SANDBOX = {
    # Nothing of it runs, nothing is asked for elsewhere, and nothing of it belongs to our origin,
    # whether it is in our frame or opened by itself.
    "content-security-policy": (
        "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; "
        "frame-ancestors 'self'"
    ),
    "x-frame-options": "SAMEORIGIN",
    "content-type": HTML,
    "content-disposition": "inline",
}


def run(call: Call) -> Response:
    return shown("run.html", run_json(call))


def run_json(call: Call) -> RunPage:
    query = call.query
    folder, file = query.get("folder", ""), query.get("file", "")
    return read_run_page(call.project, call.path["run"], folder, file, view_of(call))


def reproduce(call: Call) -> Response:
    """The button that trains a run's model again; leads to the cycle, where its progress is."""
    run = call.project.runs.get(call.path["run"])
    again = read_again(call.project, run)
    if again is None:
        raise invalid("run", run.id, "a run that the training of a cycle made")
    found = loop_of(call.project, again.loop).reproduce(run.id, wait=False, actor=call.actor)
    return RedirectResponse(f"/cycles/{found.id}", 303)


async def preview(call: Call) -> Response:
    """A run's HTML file for the frame on its page, where it cannot run anything."""
    artifacts = call.project.artifacts
    entry = await anyio.to_thread.run_sync(lambda: _page_of(call))
    size = entry.size or 0
    return await download(
        call.request, artifacts, entry.name, entry.digest or "", size, instead=SANDBOX
    )


def _page_of(call: Call) -> Entry:
    path = check_path(call.path["path"])
    if path.rpartition(".")[2].lower() not in KINDS["html"]:
        raise invalid("path", path, "the name of an HTML file")
    run = call.project.runs.get(call.path["run"])
    return call.project.artifacts.file(join(key_of(run.location), path))
