"""Registered models, and one model with its versions and aliases."""

from __future__ import annotations

import msgspec

from everloop.loop.project import Project
from everloop.registry.records import Model, ModelVersion
from everloop.store.clock import now_ms

ROWS = 50


class ModelsPage(msgspec.Struct, frozen=True):
    """A page of models by name, and the JSON at ``/models.json``."""

    at: int
    filter: str
    models: list[Model]
    next: str | None


class ModelPage(msgspec.Struct, frozen=True):
    """A model's page: its versions from the newest; ``next`` is the ``before`` of older ones.

    ``serving`` are the versions that an endpoint answers with.
    """

    at: int
    model: Model
    versions: list[ModelVersion]
    serving: list[int]
    next: int | None


def read_models_page(project: Project, filter: str = "", after: str = "") -> ModelsPage:
    """Models that a filter leaves.

    Raises :class:`~everloop.errors.InvalidInput` for a filter that cannot be read.
    """
    found = project.registry.search_models(filter, limit=ROWS, token=after or None)
    return ModelsPage(now_ms(), filter, found.items, found.next)


def read_model_page(project: Project, name: str, before: int | None = None) -> ModelPage:
    """One model; raises :class:`~everloop.errors.NotFound` when there is none."""
    model = project.registry.get_model(name)
    versions = project.registry.versions(name, before, ROWS + 1)
    shown = versions[:ROWS]
    return ModelPage(
        at=now_ms(),
        model=model,
        versions=shown,
        serving=sorted(project.registry.serving(name)),
        next=shown[-1].version if len(versions) > ROWS else None,
    )
