"""Batches of predictions that the server makes by itself, with how far they are."""

from __future__ import annotations

from pathlib import Path

import msgspec

from everloop.errors import Forbidden
from everloop.loop.batches.records import Batch
from everloop.loop.project import Project
from everloop.server.call import Answer, Call, Page
from everloop.tracking.moving.fence import Fence
from everloop.tracking.moving.queue import Move

_FIX = "Name the folder in settings.move_places, or use the command line on the machine itself."


def begin(call: Call) -> Answer:
    """Relative paths start in the project's folder; an unknown model is refused at once."""
    batch: Batch = call.body.checked()
    call.project.registry.resolve(batch.model)
    for field, place in (("source", batch.source), ("to", batch.to)):
        check_place(call.project, field, place)
    options = msgspec.to_builtins(batch)
    return Answer(call.project.moves.add("predict", batch.source, options, call.actor), 202)


def listing(call: Call) -> Page:
    found = call.project.moves.page("predict", call.limit(), call.query.get("after"))
    return Page(found.items, found.next)


def get(call: Call) -> Move:
    return call.project.moves.get(call.path["prediction"], "predict")


def stop(call: Call) -> Move:
    return call.project.moves.stop(call.path["prediction"], "predict", call.actor)


def resume(call: Call) -> Move:
    return call.project.moves.resume(call.path["prediction"], "predict", call.actor)


def check_place(project: Project, field: str, place: str) -> None:
    """Whoever asks over HTTP is not at this machine: the project's own rows, or fenced folders."""
    real = (project.dir / Path(place)).resolve()
    inside = project.dir in real.parents and project.state not in (real, *real.parents)
    if "://" in place or not (inside or Fence.of(project.settings.move_places).holds(real)):
        raise Forbidden(
            f"{field}: {place[:200]!r} may not be reached over HTTP: it is no path in the "
            f"project's folder. {_FIX}",
            code="outside_the_fence", path=field, got=place[:200],
            expected="a path in the project's folder, or in a folder of settings.move_places",
            fix=_FIX,
        )  # fmt: skip
