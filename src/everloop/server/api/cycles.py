"""Cycles: their steps and evidence, and what people say on them."""

from __future__ import annotations

from urllib.parse import quote

import msgspec
from starlette.responses import Response

from everloop.errors import NotFound
from everloop.loop import replaying
from everloop.loop.approving import Decision
from everloop.loop.case import Case
from everloop.loop.cycle_steps import Step
from everloop.loop.cycles import Cycle
from everloop.loop.loop import loop_of
from everloop.loop.replaying import Replayed
from everloop.loop.timeline import Span, timeline
from everloop.server.call import Call, Comment, Page, page
from everloop.store.clock import now_ms


class CycleWithSteps(msgspec.Struct, frozen=True):
    """A cycle, what each step did, and when; ``logs`` has the end of what each said."""

    cycle: Cycle
    steps: list[Step]
    timeline: list[Span]
    logs: dict[str, str] = {}


class WordBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why; kept with the decision."""

    comment: Comment = ""


def listing(call: Call) -> Page:
    limit, loop = call.limit(), call.query.get("loop")
    found = call.project.cycles.page(loop, before=call.before(), limit=limit)
    return page(found, limit, "number" if loop else "started")


def get(call: Call) -> CycleWithSteps:
    cycle = call.project.cycles.get(call.path["cycle"])
    steps = call.project.cycles.steps(cycle.id)
    logs = call.project.step_logs.of(cycle.id)
    return CycleWithSteps(cycle, steps, timeline(cycle, steps, now_ms()), logs)


def replay(call: Call) -> Replayed:
    cycle = call.project.cycles.get(call.path["cycle"])
    return replaying.replay(cycle, call.project.cycles.steps(cycle.id))


class CommentBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A remark, as plain text."""

    comment: Comment


def approve(call: Call) -> Cycle:
    return _decide(call, approved=True)


def reject(call: Call) -> Cycle:
    return _decide(call, approved=False)


def _decide(call: Call, *, approved: bool) -> Cycle:
    cycle = call.project.cycles.get(call.path["cycle"])
    loop = loop_of(call.project, cycle.loop)
    return loop.decide(cycle.id, approved=approved, by=call.actor, comment=call.body.comment)


def comment(call: Call) -> Decision:
    found = call.project.cycles.get(call.path["cycle"])
    loop = loop_of(call.project, found.loop)
    return loop.comment(found.id, call.body.comment, by=call.actor)


def words(call: Call) -> Decision:
    found = call.project.cycles.get(call.path["cycle"])
    return loop_of(call.project, found.loop).words(found.id)


def decision(call: Call) -> Case:
    found = call.project.cycles.get(call.path["cycle"])
    return loop_of(call.project, found.loop).decision(found.id)


def rollback(call: Call) -> Cycle:
    found = call.project.cycles.get(call.path["cycle"])
    loop = loop_of(call.project, found.loop)
    return loop.roll_back(found.id, by=call.actor, comment=call.body.comment)


def record(call: Call) -> Response:
    """The signed record as a file of its own, for whoever keeps it elsewhere."""
    found = call.project.cycles.get(call.path["cycle"])
    signed = loop_of(call.project, found.loop).words(found.id).record
    if signed is None:
        raise NotFound(
            f"cycle {found.number} of {found.loop}: nothing is decided yet.", path="cycle"
        )
    name = f"{found.loop}-{found.number}-decision.json"
    return Response(
        msgspec.json.encode(signed),
        media_type="application/json",
        headers={"content-disposition": f"attachment; filename*=UTF-8''{quote(name)}"},
    )
