"""What goes where: which experiment becomes which, and what is done about names that are taken."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec
import sqlalchemy as sa

from everloop.errors import Conflict
from everloop.store.tables import experiment_tags, experiments, model_tags, models
from everloop.tracking.moving.records import MovedExperiment

ORIGIN = "everloop.imported_from"
"""The tag of an experiment or a model that says where it came from, so that it is known again."""

DEFAULT = "Default"


class Target(msgspec.Struct, frozen=True):
    """What an experiment becomes: ``id`` of one that is here (None: a new one) and its name.

    ``own`` tells one that this source made; into another only runs and tags go.
    """

    id: int | None
    name: str
    own: bool


def origin(shown: str, id: object) -> str:
    """The value of the tag :data:`ORIGIN`."""
    return f"{shown} {id}"[:5000]


def plan_experiments(
    conn: sa.Connection, source: str, found: Iterable[MovedExperiment], merge: bool, suffix: str
) -> dict[int, Target]:
    """For each experiment of the source what it becomes here.

    ``Default``, which every server has, becomes the one that is here. Raises
    :class:`~everloop.errors.Conflict` for names that others have.
    """
    query = sa.select(experiment_tags.c.value, experiments.c.id, experiments.c.name).join_from(
        experiment_tags, experiments
    )
    known = {row.value: row for row in conn.execute(query.where(experiment_tags.c.key == ORIGIN))}
    taken = {row.name: row.id for row in conn.execute(sa.select(experiments))}
    targets, clashes = {}, []
    for one in found:
        before = known.get(origin(source, one.id))
        name = one.name
        if before is not None:
            targets[one.id] = Target(before.id, before.name, True)
        elif name in taken and (name == DEFAULT or merge):
            targets[one.id] = Target(taken[name], name, False)
        elif name in taken and (not suffix or name + suffix in taken):
            clashes.append(name)
        else:
            targets[one.id] = Target(None, name + suffix if name in taken else name, True)
    _refuse("experiment", clashes)
    return targets


def plan_models(
    conn: sa.Connection, source: str, names: Iterable[str], merge: bool, suffix: str
) -> dict[str, Target]:
    """The same for registered models, by name."""
    query = sa.select(model_tags.c.value, model_tags.c.model).where(model_tags.c.key == ORIGIN)
    known = {row.value: row.model for row in conn.execute(query)}
    taken = set(conn.execute(sa.select(models.c.name)).scalars())
    targets, clashes = {}, []
    for name in names:
        before = known.get(origin(source, name))
        if before is not None:
            targets[name] = Target(None, before, True)
        elif name in taken and merge:
            targets[name] = Target(None, name, False)
        elif name in taken and (not suffix or name + suffix in taken):
            clashes.append(name)
        else:
            targets[name] = Target(None, name + suffix if name in taken else name, True)
    _refuse("model", clashes)
    return targets


def _refuse(kind: str, clashes: list[str]) -> None:
    if clashes:
        shown = ", ".join(repr(name) for name in clashes[:5])
        more = f" and {len(clashes) - 5} more" if len(clashes) > 5 else ""
        raise Conflict(
            f"There are {kind}s here already that are called {shown}{more}; nothing was imported.",
            code="names_taken",
            path=kind,
            got=clashes[:100],
            fix="Give the ones that come another name with --rename-with=-mlflow, or put what "
            "comes into those that are here with --merge.",
        )
