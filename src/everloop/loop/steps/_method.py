"""How a cycle makes its model: the method it was told or has chosen, and what that starts from."""

from __future__ import annotations

from typing import Any

import msgspec

from everloop.data.streams.staying import stays
from everloop.errors import InvalidInput, invalid
from everloop.evaluate.costs import metric_of
from everloop.extensions import update_methods
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._parent import rows_of
from everloop.loop.steps._seen import SnapshotSeen, champion_from
from everloop.registry.models import ModelVersion
from everloop.train.spec import TrainSpec
from everloop.update.asked import transferred
from everloop.update.methods import About, Around, Champion, Choice, Method
from everloop.update.spec import UpdateSpec

WARM_TRIALS = 12  # of a search that starts from the champion's parameters


def choice_of(context: StepContext) -> Choice:
    """What the probe chose, else what the cycle was asked for, else a new fit on all rows.

    A new fit too where the method leaves such a champion to one.
    """
    said: dict[str, Any] | None = context.results.get("snapshot", {}).get("instead")
    said = said or context.results.get("probe", {}).get("method")
    said = said or context.cycle.cause.get("method")
    if said is None and (base := context.declaration.train.base):
        return transferred(base, "The loop file starts training from it.")
    return Choice() if said is None else msgspec.convert(said, Choice)


def instead(context: StepContext, choice: Choice) -> Choice | None:
    """The new fit that takes the place of a method that is not sound for the champion."""
    method, version = method_of(choice), base_of(context, choice)
    if not method.or_retrain or version is None:
        return None
    why = method.sound(about(context, choice, champion_from(context.project, version)))
    if why is None:
        return None
    why = f"A new fit in place of {choice.name}: {why}."
    return Choice("retrain", base=choice.base, why=why)


def method_of(choice: Choice) -> Method:
    """The registered method of a choice."""
    kind: type[Method] = update_methods.get(choice.name, "update.method")
    return kind()


def base_of(context: StepContext, choice: Choice) -> ModelVersion | None:
    """The version that the model is made from: the one that was named, else the champion."""
    if choice.base is not None:
        model = choice.model or context.declaration.name
        return context.project.registry.version(model, choice.base)
    return context.project.champion(context.declaration.name)


def sound_method(context: StepContext, choice: Choice) -> tuple[Method, Champion | None]:
    """The method and what it starts from.

    Raises :class:`~everloop.errors.InvalidInput` where it is not sound.
    """
    method, version = method_of(choice), base_of(context, choice)
    if version is None and not method.needs_champion:
        return method, None
    if version is None:
        raise _unsound(choice, "there is no champion to make it from")
    if not method.needs_champion and choice.window == "all":
        return method, None
    champion = champion_from(context.project, version)
    why = method.sound(about(context, choice, champion))
    if why is not None:
        raise _unsound(choice, why)
    return method, champion


def around_of(context: StepContext, choice: Choice, spec: TrainSpec, **more: Any) -> Around:
    """What surrounds the making; ``more`` are other fields of it."""
    version = base_of(context, choice)
    if "seen" not in more:
        more["seen"] = None if version is None else SnapshotSeen(context, version)
    since = (context.results.get("snapshot", {}).get("window") or {}).get("since")
    first = first_of(context, choice)
    forget = margin_of(context)
    if version is not None and choice.model not in ("", context.declaration.name):
        more = {"parent_rows": rows_of(context, version), **more}
    return Around(choice=choice, spec=spec, first=first, since=since, forget=forget, **more)


def margin_of(context: StepContext) -> float:
    """``update.forget`` of the policy that the cycle began with."""
    policy = context.cycle.cause.get("policy")
    if policy:
        return msgspec.convert(policy, UpdateSpec).forget
    return context.declaration.update.forget


def spec_of(context: StepContext, choice: Choice) -> TrainSpec:
    """An update keeps the champion's algorithm and, unless it searches, its parameters; a full
    search and a first training let all candidates compete."""
    train, kept = context.declaration.train, context.cycle.cause.get("keep")
    if not kept or choice.search == "full":
        return train
    algorithm = str(kept["algorithm"])
    if choice.search == "warm":
        trials = min(train.search.trials or WARM_TRIALS, WARM_TRIALS)
        search = msgspec.structs.replace(train.search, trials=trials)
        only = (algorithm,)
        return msgspec.structs.replace(train, candidates=only, search=search, ensemble=False)
    return train.alone(algorithm)


def kept_params(context: StepContext, choice: Choice) -> dict[str, Any] | None:
    """The champion's parameters, where they are kept as they are."""
    found: dict[str, Any] | None = (context.cycle.cause.get("keep") or {}).get("params")
    return found if choice.search == "keep" else None


def first_of(context: StepContext, choice: Choice) -> dict[str, Any] | None:
    """The champion's parameters, where a search starts from them."""
    found: dict[str, Any] | None = (context.cycle.cause.get("keep") or {}).get("params")
    return found if choice.search == "warm" else None


def about(context: StepContext, choice: Choice, champion: Champion) -> About:
    """What a method needs to know to say whether it is sound for the champion."""
    files = {f.relative_to(champion.folder).as_posix() for f in champion.folder.rglob("*")}
    declaration, project = context.declaration, context.project
    return About(
        task=champion.schema.task,
        algorithm=champion.algorithm,
        choice=choice,
        metric=metric_of(declaration.evaluate, champion.schema).name,
        timed=champion.schema.time is not None,
        identified=champion.schema.id is not None,
        stays=stays(declaration.data, project.dir, project.settings.memory_bytes),
        files=frozenset(files),
        loop=declaration.name,
    )


def _unsound(choice: Choice, why: str) -> InvalidInput:
    return invalid(
        "update.method", choice.name, f"a method that is sound here: {why}",
        code="unsound_method", fix='method = "retrain" with window = "all" always is.',
    )  # fmt: skip
