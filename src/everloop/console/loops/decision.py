"""The page of a decision: everything for a yes or a no on one screen, and who looks at it."""

from __future__ import annotations

import msgspec

from everloop.errors import Forbidden
from everloop.loop.case import Case, read_case
from everloop.loop.project import Project
from everloop.update.approval import Speaker, check_speaker


class DecisionPage(msgspec.Struct, frozen=True):
    """The page, and the JSON at ``/cycles/ID/decision.json``.

    ``me`` is who looks at it. ``hinders`` says why this person's yes would not count; empty when
    it would. ``can_roll_back`` and ``can_speak`` follow from what the caller may do.
    """

    at: int
    case: Case
    me: Speaker
    hinders: str
    can_speak: bool
    can_roll_back: bool


def read_decision(
    project: Project, cycle: str, actor: str, permissions: frozenset[str]
) -> DecisionPage:
    """Raises :class:`~everloop.errors.NotFound`."""
    case = read_case(project, cycle)
    me = project.decisions.speaker(actor)
    return DecisionPage(
        at=case.at,
        case=case,
        me=me,
        hinders=_hinders(case, me),
        can_speak="decide" in permissions,
        can_roll_back="write" in permissions and case.back is not None,
    )


def _hinders(case: Case, me: Speaker) -> str:
    if case.decision is None or not case.waits:
        return ""
    words = case.decision.words
    if any(word.person == me.name and word.kind == "approve" for word in words):
        return "you have said yes already."
    try:
        check_speaker(case.decision.rule, me, words)
    except Forbidden as refused:
        return refused.message.removeprefix("approve: ")
    return ""
