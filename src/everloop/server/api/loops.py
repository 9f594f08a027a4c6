"""Loops: where they stand, and the verbs. Verbs begin a cycle; the controller carries it out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from everloop import __version__
from everloop.deploy.serving.standing import Standing
from everloop.errors import invalid
from everloop.loop.cycles import Cycle
from everloop.loop.declaration import FILE_NAME
from everloop.loop.loop import Loop, loop_of, loops_of
from everloop.loop.project import Project
from everloop.loop.status import LoopStatus, read_status
from everloop.monitor.quality.expectations import Expectations
from everloop.server.call import Answer, Call, Comment, Page, page
from everloop.update.situation import Paused


class Status(msgspec.Struct, frozen=True):
    """The whole project at a glance; ``planes`` are the data planes that are known to run."""

    version: str
    loops: list[LoopStatus]
    serve_url: str
    serving: bool
    planes: list[Standing] = []


class Described(msgspec.Struct, frozen=True):
    """A loop: what is declared and where it stands."""

    status: LoopStatus
    declaration: dict[str, Any]


class RunBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why the cycle begins; shown in its history."""

    comment: Comment = ""


class TrainBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The registered version that training starts from, as ``model/3``; from nothing without."""

    base: str | None = None


class VersionBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version meant; the champion when it is left out."""

    version: int | None = None


class DeployBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The version, other values of ``[deploy.rollout]`` for this time, versions beside it, why."""

    version: int | None = None
    rollout: dict[str, Any] = {}
    beside: list[int] = []
    comment: Comment = ""


class ReproduceBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The run whose model is trained again."""

    run: str


class PauseBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept with the pause."""

    comment: Comment = ""


class Resumed(msgspec.Struct, frozen=True):
    """The pause that holds still: that of all loops, or none."""

    paused: Paused | None


class EventBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What happened upstream, by the name that ``update.when`` listens to."""

    name: str
    message: Comment = ""


class UpdateBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A file of new rows in the project's folder, or how a new model is to be made, as in
    ``[update]``; without either the monitors decide."""

    source: str | None = None
    method: str | None = None
    window: str | None = None
    search: str | None = None


def status(call: Call) -> Status:
    loops = [loop.status() for loop in loops_of(call.project)]
    planes = call.project.planes()
    return Status(__version__, loops, call.context.serve_url, bool(planes), planes)


def listing(call: Call) -> Page:
    return Page([loop.status() for loop in loops_of(call.project)], None)


def get(call: Call) -> Described:
    loop = loop_named(call)
    return Described(loop.status(), msgspec.to_builtins(loop.declaration))


def history(call: Call) -> Page:
    limit = call.limit()
    return page(loop_named(call).history(before=call.before(), limit=limit), limit, "number")


def run(call: Call) -> Answer:
    cause = {"kind": "person", "by": call.actor, "comment": call.body.comment}
    return begun(loop_named(call).run(cause, wait=False, actor=call.actor))


def train(call: Call) -> Answer:
    return begun(loop_named(call).train(base=call.body.base, wait=False, actor=call.actor))


def test(call: Call) -> Answer:
    return begun(loop_named(call).test(call.body.version, wait=False, actor=call.actor))


def reproduce(call: Call) -> Answer:
    return begun(loop_named(call).reproduce(call.body.run, wait=False, actor=call.actor))


def deploy(call: Call) -> Answer:
    body = call.body
    cycle = loop_named(call).deploy(
        body.version,
        rollout=body.rollout,
        beside=body.beside,
        comment=body.comment,
        wait=False,
        actor=call.actor,
    )
    return begun(cycle)


def monitor(call: Call) -> Any:
    return loop_named(call).monitor()


def update(call: Call) -> Any:
    body = call.body
    source = None if body.source is None else inside(call.project, body.source)
    ended = loop_named(call).update(
        source,
        method=body.method,
        window=body.window,
        search=body.search,
        wait=False,
        actor=call.actor,
    )
    return begun(ended) if isinstance(ended, Cycle) else ended


def pause(call: Call) -> Paused:
    return loop_named(call).pause(by=call.actor, reason=call.body.comment)


def resume(call: Call) -> Resumed:
    loop_named(call).resume(by=call.actor)
    return Resumed(read_status(call.project, loop_named(call).declaration).paused)


def pause_all(call: Call) -> Paused:
    return call.project.pauses.pause(actor=call.actor, reason=call.body.comment)


def resume_all(call: Call) -> Resumed:
    call.project.pauses.resume(actor=call.actor)
    return Resumed(None)


def tell(call: Call) -> Answer:
    heard = loop_named(call).tell(call.body.name, call.body.message, by=call.actor)
    return Answer(heard, 201, {})


def inside(project: Project, source: str) -> str:
    """A file of the project's folder, as an absolute path.

    Raises :class:`~everloop.errors.InvalidInput` for any other: a caller over HTTP may not choose
    what of this machine is read, nor the loop file and the project's own state.
    """
    path = (project.dir / source).resolve() if "\0" not in source else Path()
    ours = path == project.dir / FILE_NAME or path.is_relative_to(project.state.resolve())
    if ours or not path.is_relative_to(project.dir) or not path.is_file():
        raise invalid("source", source, "a data file in the project's folder", code="missing_file")
    return str(path)


def expectations(call: Call) -> Expectations:
    """What the rows of a window should be like."""
    return loop_named(call).expectations()


def loop_named(call: Call) -> Loop:
    """The loop in the path; NotFound with the nearest name."""
    return loop_of(call.project, call.path["loop"])


def begun(cycle: Cycle) -> Answer:
    """202 with the cycle, and where to watch it."""
    return Answer(cycle, 202, {"location": f"/api/v1/cycles/{cycle.id}"})
