"""Cycles: their steps and evidence, and what people say on them."""

from __future__ import annotations

import msgspec

from everloop.loop import replaying
from everloop.loop.approving import Decision
from everloop.loop.cycles import Cycle, Step
from everloop.loop.loop import loop_of
from everloop.loop.replaying import Replayed
from everloop.loop.timeline import Span, timeline
from everloop.server.call import Call, Comment, Page, page
from everloop.store.clock import now_ms


class CycleWithSteps(msgspec.Struct, frozen=True):
    """A cycle, what each step did, and when."""

    cycle: Cycle
    steps: list[Step]
    timeline: list[Span]


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
    return CycleWithSteps(cycle, steps, timeline(cycle, steps, now_ms()))


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
