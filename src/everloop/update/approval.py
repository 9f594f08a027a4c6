"""Whose word a cycle waits for: a pure rule over what people have said.

A word is given once a person: who holds two of the roles that are asked for stands for one of them.
One no ends it. Where the loop file names ``approvals``, people are known by the project's list
(``everloop people``), and who began the cycle by hand may not be the only one to say yes.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Literal

import msgspec

from everloop.durations import milliseconds, seconds
from everloop.errors import Forbidden, InvalidInput, invalid
from everloop.store.people import check_role
from everloop.update.spec import UpdateSpec

MOST_PEOPLE = 20
Kind = Literal["approve", "reject", "comment"]
OnTimeout = Literal["decline", "approve", "remind"]


class Speaker(msgspec.Struct, frozen=True):
    """Who speaks: a name, the roles it has, and whether the project's list has it."""

    name: str
    roles: tuple[str, ...] = ()
    known: bool = False


class Word(msgspec.Struct, frozen=True):
    """What one person said on a cycle; ``roles`` are those of that moment, ``at`` is ms UTC."""

    person: str
    kind: Kind
    at: int
    comment: str = ""
    roles: tuple[str, ...] = ()
    actor: str = ""  # the person as the event log names it, with the way the word came


class Rule(msgspec.Struct, frozen=True):
    """What a cycle asks of people, as it was when it asked.

    ``people`` is how many distinct ones must agree, ``roles`` how many of each role; without
    either any one's word counts. ``timeout`` is as ``3d``, empty for ever. ``starter`` is who began
    the cycle by hand. ``asks`` are the gates that were not met and about which a person decides.
    """

    people: int = 0
    roles: dict[str, int] = {}
    timeout: str = ""
    on_timeout: OnTimeout = "decline"
    starter: str = ""
    asks: tuple[str, ...] = ()

    @property
    def named(self) -> bool:
        """Whether only people of the project's list count."""
        return bool(self.people or self.roles)

    @property
    def timeout_ms(self) -> int | None:
        """The time-out in ms; None for ever."""
        return milliseconds(self.timeout, "update.timeout") if self.timeout else None

    @property
    def needed(self) -> int:
        """Yeses that are needed in all."""
        return sum(self.roles.values()) or self.people or 1


class Missing(msgspec.Struct, frozen=True):
    """So many more yeses are needed; ``role`` is empty when anybody's counts."""

    count: int
    role: str = ""


def check_approvals(spec: UpdateSpec) -> None:
    """Who must agree, and what becomes of a cycle that nobody answers.

    Raises :class:`~everloop.errors.InvalidInput` for what nobody can keep.
    """
    wanted = spec.approvals
    counts = [*wanted.values()] if isinstance(wanted, dict) else [1 if wanted is None else wanted]
    if not counts or min(counts) < 1 or sum(counts) > MOST_PEOPLE:
        expected = f"1 to {MOST_PEOPLE} people, or a table of roles as {{ reviewer = 1, risk = 1 }}"
        raise invalid("update.approvals", wanted, expected)
    for role in wanted if isinstance(wanted, dict) else ():
        check_role(role, "update.approvals")
    if wanted is not None and spec.approval == "auto":
        expected = 'approval = "human" beside it'
        raise _contradiction("approvals", wanted, expected, 'With "auto" nobody is asked.')
    if spec.timeout and seconds(spec.timeout, "update.timeout") <= 0:
        raise invalid("update.timeout", spec.timeout, 'more than nothing, such as "3d"')
    if spec.on_timeout != "decline" and not spec.timeout:
        raise _contradiction("on_timeout", spec.on_timeout, 'a timeout beside it, such as "3d"')
    if spec.on_timeout == "approve" and wanted is not None:
        expected = "decline or remind, as update.approvals names people whose yes is needed"
        raise _contradiction("on_timeout", "approve", expected)


def _contradiction(field: str, got: object, wanted: str, fix: str | None = None) -> InvalidInput:
    return invalid(f"update.{field}", got, wanted, code="contradiction", fix=fix)


def rule_of(spec: UpdateSpec, cause: dict[str, Any], asks: Sequence[str]) -> Rule:
    """What the loop file asks of people about a cycle of this cause.

    Silence never overrides a gate: with one that asks, the time-out declines.
    """
    approvals, on_timeout = spec.approvals, spec.on_timeout
    return Rule(
        people=approvals if isinstance(approvals, int) else 0,
        roles=dict(approvals) if isinstance(approvals, dict) else {},
        timeout=spec.timeout,
        on_timeout="decline" if asks and on_timeout == "approve" else on_timeout,
        starter=person_of(str(cause.get("by") or "")),
        asks=tuple(asks),
    )


def person_of(actor: str) -> str:
    """An actor of the event log without the way it came: ``http:anna`` is ``anna``."""
    return actor.rpartition(":")[2]


def missing(rule: Rule, words: Iterable[Word]) -> list[Missing]:
    """The yeses that are not there yet; empty when the cycle may go on."""
    agreed = {w.person: w for w in words if w.kind == "approve"}
    if rule.named and rule.needed == 1 and set(agreed) == {rule.starter}:
        agreed = {}  # alone, who began it stands for nothing
    if rule.roles:
        return _open(rule.roles, _assigned(rule.roles, agreed))
    left = rule.needed - len(agreed)
    return [Missing(left)] if left > 0 else []


def check_speaker(rule: Rule, speaker: Speaker, words: Iterable[Word]) -> None:
    """Raise :class:`~everloop.errors.Forbidden` when this person's yes cannot count."""
    if not rule.named:
        return
    if not speaker.known:
        raise Forbidden(
            f"approve: got {speaker.name!r}, expected a person of the project's list, since the "
            "loop file names approvals.",
            code="unknown_person", path="approve", got=speaker.name,
            fix="everloop people add NAME --role ROLE adds one and prints the token to show.",
        )  # fmt: skip
    if rule.roles and not set(rule.roles) & set(speaker.roles):
        has = ", ".join(speaker.roles) or "none"
        raise Forbidden(
            f"approve: {speaker.name} has the roles {has}, expected one of "
            f"{', '.join(sorted(rule.roles))}.",
            code="missing_role", path="approve", got=list(speaker.roles),
        )  # fmt: skip
    agreed = {w.person for w in words if w.kind == "approve"} | {speaker.name}
    if agreed == {rule.starter} and rule.needed == 1:
        raise Forbidden(
            f"approve: {speaker.name} began this cycle, expected another person's yes.",
            code="four_eyes", path="approve", got=speaker.name,
        )  # fmt: skip


def missing_words(left: Iterable[Missing]) -> str:
    """``reviewer and 2 of risk``, ``one person``, ``2 people``."""
    parts = []
    for one in left:
        if one.role:
            parts.append(one.role if one.count == 1 else f"{one.count} of {one.role}")
        else:
            parts.append("one person" if one.count == 1 else f"{one.count} people")
    return " and ".join(parts)


def _open(roles: dict[str, int], taken: dict[str, int]) -> list[Missing]:
    left = [(role, count - taken.get(role, 0)) for role, count in sorted(roles.items())]
    return [Missing(count, role) for role, count in left if count > 0]


def _assigned(roles: dict[str, int], agreed: dict[str, Word]) -> dict[str, int]:
    """How many of each role the people stand for, at best: a matching by augmenting paths."""
    holds: dict[tuple[str, int], str] = {}

    def place(person: str, tried: set[tuple[str, int]]) -> bool:
        for role in sorted(set(agreed[person].roles) & set(roles)):
            for seat in ((role, number) for number in range(roles[role])):
                if seat in tried:
                    continue
                tried.add(seat)
                if seat not in holds or place(holds[seat], tried):
                    holds[seat] = person
                    return True
        return False

    for person in sorted(agreed):
        place(person, set())
    found: dict[str, int] = {}
    for role, _ in holds:
        found[role] = found.get(role, 0) + 1
    return found
