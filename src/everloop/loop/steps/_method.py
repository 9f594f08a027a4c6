"""How a cycle makes its model: the method it was told or has chosen, and the champion for it."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.errors import invalid
from everloop.extensions import update_methods
from everloop.loop.considered import found_params, trained_until
from everloop.loop.steps._base import StepContext
from everloop.registry.models import ModelVersion
from everloop.update.methods import About, Champion, Choice, Method


def choice_of(context: StepContext) -> Choice:
    """What the probe chose, else what the cycle was asked for, else a new fit on all rows."""
    said: dict[str, Any] | None = context.results.get("probe", {}).get("method")
    said = said or context.cycle.cause.get("method")
    return Choice() if said is None else msgspec.convert(said, Choice)


def method_of(choice: Choice) -> Method:
    """The registered method of a choice."""
    kind: type[Method] = update_methods.get(choice.name, "update.method")
    return kind()


def base_of(context: StepContext, choice: Choice) -> ModelVersion | None:
    """The version that the model is made from: the one that was named, else the champion."""
    if choice.base is not None:
        return context.project.registry.version(context.declaration.name, choice.base)
    return context.project.champion(context.declaration.name)


def champion_of(context: StepContext, choice: Choice) -> Champion | None:
    """The version that a method starts from, with its package at hand; None before there is one."""
    version = base_of(context, choice)
    if version is None:
        return None
    folder, package = context.project.package(version)
    return Champion(
        version=version.version,
        algorithm=version.algorithm or "",
        params=found_params(context.project, version),
        folder=folder,
        schema=package.schema,
        until=trained_until(context.project, version),
    )


def sound_method(context: StepContext, choice: Choice) -> tuple[Method, Champion | None]:
    """The method and what it starts from.

    Raises :class:`~everloop.errors.InvalidInput` where it is not sound.
    """
    method = method_of(choice)
    champion = champion_of(context, choice) if method.needs_champion else None
    why = None if champion is None else method.sound(about(context, choice, champion))
    if method.needs_champion and champion is None:
        why = "there is no champion to make it from"
    if why is not None:
        raise invalid(
            "update.method", choice.name, f"a method that is sound here: {why}",
            code="unsound_method", fix='"retrain" always is.',
        )  # fmt: skip
    return method, champion


def about(context: StepContext, choice: Choice, champion: Champion) -> About:
    """What a method needs to know to say whether it is sound for the champion."""
    files = {f.relative_to(champion.folder).as_posix() for f in champion.folder.rglob("*")}
    return About(
        task=champion.schema.task,
        algorithm=champion.algorithm,
        choice=choice,
        timed=champion.schema.time is not None,
        identified=champion.schema.id is not None,
        files=frozenset(files),
    )
