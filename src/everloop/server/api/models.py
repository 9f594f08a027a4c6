"""The registry: models, their versions, and the aliases that point at versions."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from everloop.registry.models import Model, ModelVersion
from everloop.registry.records import check_tags
from everloop.server.call import Answer, Call, Page, page
from everloop.tracking.sources import origin

Tags = dict[str, str]
Changes = dict[str, str | None]
"""Tags to set; those that are null are removed."""


class NewModel(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A model without versions."""

    name: str
    description: str | None = None
    tags: Tags = {}


class ModelChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a model; what is left out stays."""

    name: str | UnsetType = UNSET
    description: str | UnsetType | None = UNSET
    tags: Changes = {}


class NewVersion(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A version that is known by the URI of its source."""

    source: str
    run: str | None = None
    logged_model: str | None = None
    description: str | None = None
    tags: Tags = {}


class VersionChange(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What to change of a version; ``archive_others`` makes it the only one in its stage."""

    description: str | UnsetType | None = UNSET
    stage: str | UnsetType = UNSET
    archive_others: bool = False
    tags: Changes = {}


class Deleted(msgspec.Struct, frozen=True):
    """What was deleted."""

    deleted: str


class AliasBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that the alias points at."""

    version: int


class Aliases(msgspec.Struct, frozen=True):
    """All aliases of a model."""

    aliases: dict[str, int]


def listing(call: Call) -> Page:
    found = call.project.registry.search_models(**search_of(call))
    return Page(found.items, found.next)


def create(call: Call) -> Answer:
    made = call.project.registry.create_model(
        call.body.name, description=call.body.description, tags=call.body.tags, actor=call.actor
    )
    return Answer(made, 201)


def get(call: Call) -> Model:
    return call.project.registry.get_model(call.path["model"])


def change(call: Call) -> Model:
    registry, name, body = call.project.registry, call.path["model"], call.body
    _check(body.tags)
    registry.get_model(name)
    if body.name is not UNSET:
        name = registry.rename(name, body.name, call.actor).name
    if body.description is not UNSET:
        registry.update_model(name, description=body.description, actor=call.actor)
    for key, value in body.tags.items():
        if value is None:
            registry.delete_model_tag(name, key, call.actor)
        else:
            registry.set_model_tag(name, key, value, call.actor)
    return registry.get_model(name)


def delete(call: Call) -> Deleted:
    call.project.registry.delete_model(call.path["model"], call.actor)
    return Deleted(call.path["model"])


def versions(call: Call) -> Page:
    limit, model = call.limit(), call.path["model"]
    call.project.registry.get_model(model)  # NotFound for an unknown model, not an empty page
    return page(call.project.registry.versions(model, call.before(), limit), limit, "version")


def search_versions(call: Call) -> Page:
    found = call.project.registry.search_versions(**search_of(call))
    return Page(found.items, found.next)


def create_version(call: Call) -> Answer:
    body = call.body
    made_from = origin(call.project, body.source, body.run, body.logged_model)
    made = call.project.registry.create_version(
        call.path["model"],
        source=made_from.source,
        location=made_from.location,
        run=made_from.run,
        logged_model=made_from.model,
        description=body.description,
        tags=body.tags,
        actor=call.actor,
    )
    return Answer(made, 201)


def version(call: Call) -> ModelVersion:
    return call.project.registry.version(*_named(call))


def change_version(call: Call) -> ModelVersion:
    registry, body = call.project.registry, call.body
    model, number = _named(call)
    _check(body.tags)
    if body.stage is not UNSET:
        registry.transition(
            model, number, body.stage, archive_existing=body.archive_others, actor=call.actor
        )
    if body.description is not UNSET:
        registry.update_version(model, number, description=body.description, actor=call.actor)
    for key, value in body.tags.items():
        if value is None:
            registry.delete_version_tag(model, number, key, call.actor)
        else:
            registry.set_version_tag(model, number, key, value, call.actor)
    return registry.version(model, number)


def delete_version(call: Call) -> Deleted:
    model, number = _named(call)
    call.project.registry.delete_version(model, number, call.actor)
    return Deleted(f"{model}/{number}")


def aliases(call: Call) -> Aliases:
    return Aliases(call.project.registry.get_model(call.path["model"]).aliases)


def set_alias(call: Call) -> Aliases:
    model, alias = call.path["model"], call.path["alias"]
    call.project.registry.set_alias(model, alias, call.body.version, actor=call.actor)
    return Aliases(call.project.registry.aliases(model))


def delete_alias(call: Call) -> Aliases:
    model, alias = call.path["model"], call.path["alias"]
    call.project.registry.get_model(model)
    call.project.registry.delete_alias(model, alias, actor=call.actor)
    return Aliases(call.project.registry.aliases(model))


def search_of(call: Call) -> dict[str, Any]:
    """The arguments of a search: ``order_by`` has commas between its sort keys."""
    query = call.query
    return {
        "filter": query.get("filter", ""),
        "order_by": [part for part in query.get("order_by", "").split(",") if part.strip()],
        "limit": call.limit(),
        "token": query.get("after"),
    }


def _named(call: Call) -> tuple[str, int]:
    return call.path["model"], call.number("version")


def _check(tags: Changes) -> None:
    check_tags({key: value or "" for key, value in tags.items()})
