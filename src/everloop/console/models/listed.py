"""Registered models, and one model with its versions and aliases."""

from __future__ import annotations

import msgspec

from everloop.deploy.endpoints import Endpoint
from everloop.loop.project import Project
from everloop.registry.records import Model, ModelVersion
from everloop.registry.webhooks.records import Webhook
from everloop.store.clock import now_ms

ROWS = 50
MOVES = 30
HOOKS = 20


class ModelsPage(msgspec.Struct, frozen=True):
    """A page of models by name, and the JSON at ``/models.json``."""

    at: int
    filter: str
    models: list[Model]
    next: str | None


class Moved(msgspec.Struct, frozen=True):
    """An alias that was set or removed, from one version to another, by whom."""

    at: int
    actor: str
    alias: str
    before: int | None
    version: int | None


class ModelPage(msgspec.Struct, frozen=True):
    """A model's page: its versions from the newest; ``next`` is the ``before`` of older ones.

    ``serving`` are the versions that an endpoint answers with, ``moves`` the newest changes of
    its aliases. ``webhooks`` are told of what happens to models; None for who may not see them.
    """

    at: int
    model: Model
    versions: list[ModelVersion]
    serving: list[int]
    next: int | None
    endpoints: list[Endpoint] = []
    moves: list[Moved] = []
    webhooks: list[Webhook] | None = None


def read_models_page(project: Project, filter: str = "", after: str = "") -> ModelsPage:
    """Models that a filter leaves.

    Raises :class:`~everloop.errors.InvalidInput` for a filter that cannot be read.
    """
    found = project.registry.search_models(filter, limit=ROWS, token=after or None)
    return ModelsPage(now_ms(), filter, found.items, found.next)


def read_model_page(
    project: Project, name: str, before: int | None = None, *, hooks: bool = False
) -> ModelPage:
    """One model, with the webhooks where ``hooks`` may be shown.

    Raises :class:`~everloop.errors.NotFound` when there is none.
    """
    model = project.registry.get_model(name)
    versions = project.registry.versions(name, before, ROWS + 1)
    shown = versions[:ROWS]
    return ModelPage(
        at=now_ms(),
        model=model,
        versions=shown,
        serving=sorted(project.registry.serving(name)),
        next=shown[-1].version if len(versions) > ROWS else None,
        endpoints=project.endpoints.of_model(name),
        moves=alias_moves(project, name),
        webhooks=project.webhooks.page(HOOKS).items if hooks else None,
    )


def alias_moves(project: Project, model: str) -> list[Moved]:
    """The newest changes of a model's aliases, from the event log, newest first."""
    kinds = ("model.alias_set", "model.alias_deleted")
    found = project.events.latest(MOVES, f"model:{model}", kinds)
    return [
        Moved(
            event.at, event.actor, str(event.payload.get("alias")), event.payload.get("before"),
            event.payload.get("version"),
        )
        for event in found
    ]  # fmt: skip
