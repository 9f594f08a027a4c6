"""The registry: models, their versions, and the aliases that point at versions."""

from __future__ import annotations

import msgspec

from everloop.errors import Conflict
from everloop.registry.models import ModelVersion
from everloop.server.call import Call, Page, page

# Set by the rollout, in one transaction with the endpoint's arms.
MANAGED = frozenset({"champion", "challenger"})


class AliasBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version that the alias points at."""

    version: int


class Aliases(msgspec.Struct, frozen=True):
    """All aliases of a model."""

    aliases: dict[str, int]


def listing(call: Call) -> Page:
    limit = call.limit()
    found = call.project.registry.models(after=call.query.get("after", ""), limit=limit)
    return page(found, limit, "name")


def versions(call: Call) -> Page:
    limit, model = call.limit(), call.path["model"]
    call.project.registry.resolve(model)  # NotFound for an unknown model, not an empty page
    return page(call.project.registry.versions(model, call.before(), limit), limit, "version")


def version(call: Call) -> ModelVersion:
    return call.project.registry.version(call.path["model"], call.number("version"))


def aliases(call: Call) -> Aliases:
    call.project.registry.resolve(call.path["model"])
    return Aliases(call.project.registry.aliases(call.path["model"]))


def set_alias(call: Call) -> Aliases:
    model, alias = call.path["model"], _free(call.path["alias"])
    call.project.registry.set_alias(model, alias, call.body.version, actor=call.actor)
    return Aliases(call.project.registry.aliases(model))


def delete_alias(call: Call) -> Aliases:
    model, alias = call.path["model"], _free(call.path["alias"])
    call.project.registry.resolve(model)
    call.project.registry.delete_alias(model, alias, actor=call.actor)
    return Aliases(call.project.registry.aliases(model))


def _free(alias: str) -> str:
    if alias in MANAGED:
        raise Conflict(
            f"alias: {alias!r} follows the rollout and cannot be set by hand.",
            code="managed_alias",
            path="alias",
            got=alias,
            fix="POST /api/v1/loops/LOOP/deploy makes a version the champion.",
        )
    return alias
