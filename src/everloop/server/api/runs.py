"""Runs: begin, look, search, change, delete, and their histories."""

from __future__ import annotations

from typing import Any

import msgspec
from starlette.responses import Response, StreamingResponse

from everloop.console.runs.completing import Completion, complete
from everloop.errors import InvalidInput, invalid
from everloop.server.api.experiments import order_of, view_of
from everloop.server.call import Answer, Call, Page
from everloop.tracking.checks import PARAM, TAG, check_texts
from everloop.tracking.experiments import number_named
from everloop.tracking.records import Point, Run, Status
from everloop.tracking.runs import missing
from everloop.tracking.search.frames import arrow_stream
from everloop.tracking.search.groups import Groups
from everloop.tracking.search.keys import Keys
from everloop.tracking.wire import Whole

MOST_SAMPLES = 10_000


class RunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new run. ``experiment`` is a name and made when it is new; ``run`` an id of your own."""

    experiment: str = "Default"
    name: str | None = None
    user: str = ""
    started: Whole | None = None
    params: dict[str, Any] = {}
    tags: dict[str, str] = {}
    run: str | None = None


class ChangeBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What is not given stays."""

    status: Status | None = None
    finished: Whole | None = None
    name: str | None = None


class RemoveBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Keys of tags."""

    tags: list[str]


class Sampled(msgspec.Struct, frozen=True):
    """A metric at evenly spread steps."""

    points: list[Point]


def listing(call: Call) -> Page:
    """Runs that a filter leaves, of one experiment or of all."""
    query = call.query
    found = call.project.runs.search(
        chosen(call),
        query.get("filter", ""),
        order_of(call),
        view_of(call),
        call.limit(),
        query.get("before"),
    )
    return Page(found.items, found.next)


def groups(call: Call) -> Groups:
    """Runs by what ``by`` names, with the spread of each ``metric``."""
    query = call.query
    return call.project.runs.groups(
        query.get("by", ""), chosen(call), query.get("filter", ""),
        call.request.query_params.getlist("metric"), order_of(call), view_of(call),
    )  # fmt: skip


def keys(call: Call) -> Keys:
    """The metrics, params and tags of an experiment's runs, or of the newest experiments'."""
    return call.project.runs.keys(chosen(call), view_of(call))


def completion(call: Call) -> Completion:
    """What may stand at a place of a filter; at its end without one."""
    text = call.query.get("filter", "")
    at = call.whole("at", len(text), 0, 10**6) or 0
    return complete(call.project, call.query.get("experiment", ""), text, at)


def arrow(call: Call) -> Response:
    """All of them as an Arrow stream, in the order in which they were made."""
    stream = arrow_stream(
        call.project.db, chosen(call), call.query.get("filter", ""), view_of(call)
    )
    return StreamingResponse(stream, media_type="application/vnd.apache.arrow.stream")


def chosen(call: Call) -> list[int] | None:
    """The experiment that the query names, None for all."""
    name = call.query.get("experiment")
    return None if name is None else [number_named(call.project.db, name)]


def get(call: Call) -> Run:
    return call.project.runs.get(call.path["run"])


def create(call: Call) -> Answer:
    body: RunBody = call.body
    check_texts("params", body.params, PARAM)  # before anything is made
    check_texts("tags", body.tags, TAG)
    runs = call.project.runs
    run = runs.start(
        body.experiment,
        body.name,
        tags=body.tags,
        run=body.run,
        user=body.user,
        started=body.started,
    )
    if body.params:
        runs.log(run, params=body.params)
    return Answer(runs.get(run), 201)


def update(call: Call) -> Run:
    run, body = call.path["run"], call.body
    if body.name == "":
        raise invalid("name", body.name, "at least one character")
    changed = call.project.runs.update(
        run, status=body.status, finished=body.finished, name=body.name
    )
    call.context.live.notify(run)
    return changed


def delete(call: Call) -> Run:
    call.project.runs.delete(call.path["run"], actor=call.actor)
    call.context.live.notify(call.path["run"])
    return get(call)


def restore(call: Call) -> Run:
    call.project.runs.restore(call.path["run"], actor=call.actor)
    return get(call)


def remove_tags(call: Call) -> Run:
    for key in call.body.tags:
        call.project.runs.delete_tag(call.path["run"], key)
    call.context.live.notify(call.path["run"])
    return get(call)


def history(call: Call) -> Page:
    """A metric's points by time, step and value."""
    limit = call.whole("limit", 1000, 1, 100_000)
    found = call.project.runs.history(call.path["run"], _key(call), limit, call.query.get("before"))
    return Page(found.items, found.next)


def sampled(call: Call) -> Sampled:
    """A metric at about ``limit`` steps from ``first`` to ``last``, for a chart."""
    run, bound = call.path["run"], 2**63 - 1
    first, last = (call.whole(name, None, -bound, bound) for name in ("first", "last"))
    if (first is None) != (last is None):
        raise InvalidInput("query: got one of first and last, expected both or neither.")
    limit = call.whole("limit", 2500, 1, MOST_SAMPLES) or 1
    found = call.project.runs.sampled([run], _key(call), first, last, limit)
    if run not in found:
        raise missing(run)
    return Sampled(found[run])


def _key(call: Call) -> str:
    if "key" not in call.query:
        raise InvalidInput("query.key: got nothing, expected a metric's name.", path="query.key")
    return call.query["key"]
