"""People with tokens of their own: who they are, what they may do, which roles they have."""

from __future__ import annotations

import msgspec

from everloop.errors import Forbidden
from everloop.server.call import Answer, Call, Page
from everloop.store.people import May
from everloop.update.approval import person_of


class PersonBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A name, the roles that its yes stands for, and what it may do."""

    name: str
    roles: list[str] = []
    may: May = "decide"


class Me(msgspec.Struct, frozen=True):
    """Who calls. ``known`` says that the name is a person's, and not that of a shared token."""

    name: str
    known: bool
    roles: list[str]
    permissions: list[str]


class Removed(msgspec.Struct, frozen=True):
    """The person that is gone."""

    removed: str


def me(call: Call) -> Me:
    speaker = call.project.decisions.speaker(call.actor)
    return Me(speaker.name, speaker.known, list(speaker.roles), sorted(call.permissions))


def listing(call: Call) -> Page:
    return Page(call.project.people.all(), None)


def add(call: Call) -> Answer:
    """The token is in this answer only."""
    body = call.body
    made = call.project.people.add(body.name, roles=body.roles, may=body.may, actor=call.actor)
    return Answer(made, 201, {"cache-control": "no-store"})


def remove(call: Call) -> Removed:
    return removed(call, call.path["person"])


def removed(call: Call, name: str) -> Removed:
    """Take somebody else's token away."""
    if name == person_of(call.actor):
        raise Forbidden("people: nobody can remove the person that asks.", path="person", got=name)
    call.project.people.remove(name, actor=call.actor)
    return Removed(name)
