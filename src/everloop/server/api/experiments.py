"""Experiments: named groups of runs."""

from __future__ import annotations

from typing import Annotated

import msgspec

from everloop.errors import invalid
from everloop.server.call import Answer, Call, Page
from everloop.tracking.records import Experiment, View

VIEWS: tuple[View, ...] = ("active", "deleted", "all")
Id = Annotated[int, msgspec.Meta(ge=0)]


class ExperimentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A new experiment; ``location`` is where its artifacts lie, by default on this server."""

    name: str
    location: str | None = None
    tags: dict[str, str] = {}


class NameBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Another name."""

    name: str


class TagsBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Tags to set, and keys of tags to remove."""

    set: dict[str, str] = {}
    remove: list[str] = []


def listing(call: Call) -> Page:
    """Experiments that a filter such as ``tags.team = 'x'`` leaves."""
    found = call.project.experiments.search(
        call.query.get("filter", ""),
        order_of(call),
        view_of(call),
        call.limit(),
        call.query.get("before"),
    )
    return Page(found.items, found.next)


def create(call: Call) -> Answer:
    body: ExperimentBody = call.body
    made = call.project.experiments.create(body.name, location=body.location, tags=body.tags)
    return Answer(made, 201)


def get(call: Call) -> Experiment:
    return call.project.experiments.get(call.number("experiment"))


def rename(call: Call) -> Experiment:
    return call.project.experiments.rename(call.number("experiment"), call.body.name)


def delete(call: Call) -> Experiment:
    id = call.number("experiment")
    call.project.experiments.delete(id, actor=call.actor)
    return call.project.experiments.get(id)


def restore(call: Call) -> Experiment:
    id = call.number("experiment")
    call.project.experiments.restore(id, actor=call.actor)
    return call.project.experiments.get(id)


def tags(call: Call) -> Experiment:
    id, store = call.number("experiment"), call.project.experiments
    body: TagsBody = call.body
    for key, value in body.set.items():
        store.set_tag(id, key, value)
    for key in body.remove:
        store.delete_tag(id, key)
    return store.get(id)


def view_of(call: Call) -> View:
    """``active`` (the default), ``deleted`` or ``all``."""
    text = call.query.get("view", "active")
    for view in VIEWS:
        if text == view:
            return view
    raise invalid("query.view", text, "one of " + ", ".join(VIEWS))


def order_of(call: Call) -> list[str]:
    """The parameters ``order_by``, of which there may be several."""
    return [value for key, value in call.request.query_params.multi_items() if key == "order_by"]
