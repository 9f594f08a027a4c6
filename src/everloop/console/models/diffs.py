"""Differences of two texts, two tables of names and two schemas, as pages show them."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Literal

import msgspec

from everloop.data.schema import Feature, Schema

MOST_LINES = 400
CONTEXT = 2


class Line(msgspec.Struct, frozen=True):
    """One line of a difference."""

    kind: Literal["same", "added", "removed", "place"]
    text: str


class Changed(msgspec.Struct, frozen=True):
    """A name whose value differs; None where a side lacks it."""

    name: str
    before: str | None
    after: str | None


class Differing(msgspec.Struct, frozen=True):
    """The names that differ, and how many do not."""

    changed: list[Changed]
    same: int


def text_diff(before: str, after: str) -> list[Line]:
    """Lines that differ, with two around them; at most ``MOST_LINES``.

    >>> [line.text for line in text_diff("a\\nb", "a\\nc") if line.kind == "added"]
    ['c']
    """
    old, new = before.splitlines(), after.splitlines()
    found = list(difflib.unified_diff(old, new, lineterm="", n=CONTEXT))[2:]  # but the names
    return diff_lines("\n".join(found))


def diff_lines(text: str) -> list[Line]:
    """A difference that somebody else made, as git does; at most ``MOST_LINES``."""
    lines = []
    for line in text.splitlines()[:MOST_LINES]:
        if line.startswith(("diff ", "index ", "--- ", "+++ ", "@@")):
            lines.append(Line("place", line))
        elif line[:1] in "+-" and line:
            lines.append(Line("added" if line[0] == "+" else "removed", line[1:]))
        else:
            lines.append(Line("same", line[1:]))
    return lines


def names_diff(before: Mapping[str, object], after: Mapping[str, object]) -> Differing:
    """Which names have another value, or are on one side only.

    >>> names_diff({"a": 1, "b": 2}, {"a": 1, "b": 3}).changed
    [Changed(name='b', before='2', after='3')]
    """
    changed, same = [], 0
    for name in sorted(before.keys() | after.keys()):
        old, new = before.get(name), after.get(name)
        if name in before and name in after and old == new:
            same += 1
        else:
            changed.append(Changed(name, _shown(old), _shown(new)))
    return Differing(changed, same)


def schema_diff(before: Schema, after: Schema) -> Differing:
    """Features, and what else a schema says, that are not the same."""
    return names_diff(_described(before), _described(after))


def _described(schema: Schema) -> dict[str, str]:
    told = {"(target)": schema.target, "(task)": schema.task}
    told |= {f"({name})": value for name in ("id", "time") if (value := getattr(schema, name))}
    if schema.classes:
        told["(classes)"] = ", ".join(str(one) for one in schema.classes)
    return {**told, **{feature.name: feature_words(feature) for feature in schema.features}}


def feature_words(feature: Feature) -> str:
    """A feature's kind and what belongs to it, in a few words."""
    words: list[str] = [feature.kind]
    if feature.levels:
        named = ", ".join(feature.levels[:6])
        more = len(feature.levels) - 6
        words.append(f"of {named}" + (f" and {more} more" if more > 0 else ""))
    if feature.shape:
        words.append("by ".join(f"{size} " for size in feature.shape).strip())
    if feature.nullable:
        words.append("or missing")
    return " ".join(words)


def _shown(value: object) -> str | None:
    return None if value is None else str(value)
