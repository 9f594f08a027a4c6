"""Whose yes a cycle waits for: counts, roles, four eyes, and contradictions in the loop file."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from everloop.errors import Forbidden, InvalidInput
from everloop.update.approval import (
    Missing,
    Rule,
    Speaker,
    Word,
    check_speaker,
    missing,
    missing_words,
    rule_of,
)
from everloop.update.checking import check_update
from everloop.update.spec import UpdateSpec


def yes(person: str, *roles: str) -> Word:
    return Word(person, "approve", 0, roles=roles)


def test_any_one_suffices_where_nobody_is_named() -> None:
    assert missing(Rule(starter="ann"), [yes("ann")]) == []
    assert missing(Rule(), [Word("ann", "comment", 0, "hm")]) == [Missing(1)]


def test_two_are_two_people() -> None:
    rule = Rule(people=2)
    assert missing(rule, [yes("ann"), yes("ann")]) == [Missing(1)]
    assert missing(rule, [yes("ann"), yes("bob")]) == []


def test_who_began_the_cycle_does_not_suffice_alone() -> None:
    assert missing(Rule(people=1, starter="ann"), [yes("ann")]) == [Missing(1)]
    assert missing(Rule(people=2, starter="ann"), [yes("ann"), yes("bob")]) == []
    with pytest.raises(Forbidden, match="ann began this cycle, expected another person's yes"):
        check_speaker(Rule(roles={"risk": 1}, starter="ann"), Speaker("ann", ("risk",), True), [])


def test_a_person_of_two_roles_stands_for_the_one_that_is_needed() -> None:
    rule = Rule(roles={"reviewer": 1, "risk": 1})
    both = yes("ann", "reviewer", "risk")
    assert missing(rule, [both]) == [Missing(1, "risk")]
    assert missing(rule, [both, yes("bob", "reviewer")]) == []
    assert missing(rule, [both, yes("bob", "risk")]) == []
    assert missing(rule, [yes("bob", "reviewer"), yes("cy", "reviewer")]) == [Missing(1, "risk")]
    assert missing_words(missing(rule, [])) == "reviewer and risk"


@pytest.mark.parametrize(
    ("speaker", "said"),
    [
        (Speaker("eve"), "'eve', expected a person of the project's list"),
        (Speaker("bob", ("data",), True), "bob has the roles data, expected one of risk"),
    ],
)
def test_a_yes_that_cannot_count_is_refused(speaker: Speaker, said: str) -> None:
    with pytest.raises(Forbidden, match=said):
        check_speaker(Rule(roles={"risk": 1}), speaker, [])


def test_silence_never_overrides_a_gate() -> None:
    spec = UpdateSpec(approval="human", timeout="3d", on_timeout="approve")
    assert rule_of(spec, {"by": "http:ann"}, []).on_timeout == "approve"
    asked = rule_of(spec, {"by": "http:ann"}, ["not proven"])
    assert (asked.on_timeout, asked.starter, asked.timeout_ms) == ("decline", "ann", 259_200_000)


HUMAN = {"approval": "human"}


@pytest.mark.parametrize(
    ("update", "path", "said"),
    [
        ({"approvals": 2}, "approvals", 'approval = "human" beside it'),
        (HUMAN | {"approvals": 0}, "approvals", "1 to 20 people"),
        (HUMAN | {"approvals": {}}, "approvals", "1 to 20 people"),
        (HUMAN | {"approvals": {"risk ": 1}}, "approvals", "a role"),
        (HUMAN | {"timeout": "soon"}, "timeout", "a number and a unit"),
        (HUMAN | {"timeout": "0s"}, "timeout", "more than nothing"),
        (HUMAN | {"on_timeout": "remind"}, "on_timeout", "a timeout beside it"),
        (
            HUMAN | {"approvals": {"a": 1, "b": 1}, "timeout": "3d", "on_timeout": "approve"},
            "on_timeout", "decline or remind, as update.approvals names people",
        ),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_named(update: dict[str, Any], path: str, said: str) -> None:
    with pytest.raises(InvalidInput, match=said) as refused:
        check_update(msgspec.convert(update, UpdateSpec))
    assert refused.value.path == f"update.{path}"
