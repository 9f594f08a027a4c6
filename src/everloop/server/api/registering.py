"""Models that were made elsewhere, registered over HTTP, and versions put to work at once."""

from __future__ import annotations

import importlib

import msgspec

from everloop.loop.direct import Promoted, promoted
from everloop.loop.foreign import How
from everloop.registry.models import ModelVersion
from everloop.server.call import Answer, Call
from everloop.tracking.moving.fence import Fence


class RegisterBody(How, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What to register: ``models:/NAME/3``, ``runs:/ID/PATH``, or a path that is allowed."""

    source: str


class PromoteBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The endpoint that the version is to answer at; it has the model's name unless given."""

    endpoint: str | None = None


def register(call: Call) -> Answer:
    """The converters are imported when they are first needed: half a second and 80 MB."""
    body: RegisterBody = call.body
    registering = importlib.import_module("everloop.loop.registering")
    how = How(**{name: getattr(body, name) for name in How.__struct_fields__})
    version: ModelVersion = registering.registered(
        call.project, body.source, call.path["model"], how, actor=call.actor,
        fence=Fence.of(call.project.settings.move_places),
    )  # fmt: skip
    return Answer(version, 201)


def promote(call: Call) -> Promoted:
    version = call.project.registry.version(call.path["model"], call.number("version"))
    return promoted(call.project, version, call.body.endpoint, actor=call.actor)
