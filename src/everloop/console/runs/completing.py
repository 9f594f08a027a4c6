"""What may come next in a filter that somebody types: a field, an operator, a value."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Literal, NamedTuple

import msgspec

from everloop.console.runs.columns import quoted, spelled
from everloop.errors import InvalidInput
from everloop.loop.project import Project
from everloop.store.filter.parser import find_field
from everloop.store.filter.tokens import Token, tokens
from everloop.store.tables import run_params, run_tags
from everloop.tracking.experiments import number_named
from everloop.tracking.records import RUN_NAME, STATUSES
from everloop.tracking.search.fields import RUN_FIELDS
from everloop.tracking.search.keys import Keys, values_of
from everloop.tracking.search.runs import scope_of

MOST = 20
"""Choices that are offered at once."""
LONGEST = 5000
"""Characters of a filter that is completed."""
Want = Literal["field", "operator", "list", "value", "more", "null", "joint", "nothing"]
ATTRIBUTES = ("status", "run_name", "start_time", "end_time", "user_id", "experiment", "run_id")
_AFTER: dict[str, Want] = {"IN": "list", "IS": "null"}
_WORDS: dict[Want, tuple[str, ...]] = {
    "list": ("(",),
    "more": (",", ")"),
    "null": ("NULL", "NOT NULL"),
    "joint": ("AND", "OR"),
}


class Completion(msgspec.Struct, frozen=True):
    """Texts that may stand from ``start`` to ``end`` of the filter, counted in code points."""

    start: int
    end: int
    choices: list[str]


class Place(NamedTuple):
    """Where a text ends: what is wanted next, the field and operator before, and what of it is
    typed already."""

    want: Want
    left: Token | None
    operator: str
    part: str


def complete(project: Project, experiment: str, text: str, at: int) -> Completion:
    """What may stand at a place of a filter; no choices where nothing is known to fit."""
    text = text[:LONGEST]
    at = max(0, min(at, len(text)))
    place = _place(text[:at])
    return Completion(at - len(place.part), at, _choices(project, experiment, place)[:MOST])


def _place(text: str) -> Place:
    done = [token for token in tokens(text) if token.kind != "end"]
    part = ""
    last = done[-1] if done else None
    touches = last is not None and last.at + len(last.raw) == len(text)
    if last is not None and touches and last.kind in ("word", "name", "junk", "operator", "number"):
        part = last.raw
        done.pop()
    want, left, operator = _wanted(done)
    return Place(want, left, operator, part)


def _wanted(done: Iterable[Token]) -> tuple[Want, Token | None, str]:
    want: Want = "field"
    left: Token | None = None
    operator = ""
    for token in done:
        word = token.raw.upper()
        if want == "field" and word not in ("NOT", "("):
            left, want = token, "operator"
        elif want == "operator" and word != "NOT":
            operator = word
            want = _AFTER.get(word, "value")
        elif want == "list":
            want = "value" if word == "(" else "nothing"
        elif want == "value":
            want = "more" if operator == "IN" else "joint"
        elif want == "more":
            want = "value" if word == "," else "joint"
        elif want == "null" and word != "NOT":
            want = "joint"
        elif want == "joint" and word != ")":
            want = "field" if word in ("AND", "OR") else "nothing"
    return want, left, operator


def _choices(project: Project, experiment: str, place: Place) -> list[str]:
    if place.want in _WORDS:
        return _beginning(_WORDS[place.want], place.part)
    if place.want == "nothing":
        return []
    chosen = [number_named(project.db, experiment)] if experiment else None
    if place.want == "field":
        return _fields(project.runs.keys(chosen), place.part)
    assert place.left is not None
    try:
        entity, key, field = find_field(place.left, RUN_FIELDS)
    except InvalidInput:
        return []
    if place.want == "operator":
        return _beginning(field.operators, place.part)
    if field.kind == "number":
        return []
    start = place.part[1:] if place.part[:1] in "'\"" else place.part
    found = _values(project, chosen, entity.name, key)(start)
    return [text for value in found if (text := quoted(value)) is not None]


def _beginning(words: Iterable[str], part: str) -> list[str]:
    return [word for word in words if word.startswith(part.upper())]


def _fields(keys: Keys, part: str) -> list[str]:
    """Fields with the part in their names, first those that begin with it."""
    every = [
        *(name for kind, own in (("metric", keys.metrics), ("parameter", keys.params),
                                 ("tag", keys.tags))
          for key in own if (name := spelled(kind, key))),
        *ATTRIBUTES,
    ]  # fmt: skip
    part = part.lower()
    held = [name for name in every if part in name.lower()]

    def later(name: str) -> bool:
        key = name.partition(".")[2]
        return not (name.lower().startswith(part) or key.lower().startswith(part))

    return sorted(held, key=later)


def _values(
    project: Project, chosen: list[int] | None, entity: str, key: str
) -> Callable[[str], Iterable[str]]:
    """What finds the values of a field that begin with a text."""
    if entity == "attribute" and key == "status":
        return lambda start: [one for one in STATUSES if one.startswith(start.upper())]
    if entity == "attribute" and key == "experiment":
        return lambda start: [
            one.name
            for one in project.experiments.search(limit=100).items
            if one.name.startswith(start)
        ]
    if entity == "attribute" and key == "run_name":
        entity, key = "tag", RUN_NAME
    table = {"parameter": run_params, "tag": run_tags}.get(entity)
    if table is None:
        return lambda start: []

    def find(start: str) -> list[str]:
        with project.db.read() as conn:
            return values_of(conn, table, key, scope_of(conn, chosen, "active"), start)

    return find
