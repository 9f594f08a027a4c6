"""The names of aspects, and what their change means in a person's words.

An aspect of a column stands beside it as ``review (language)``; what is told of the column itself,
such as the brightness of an image, is in its sketch (``of``).
"""

from __future__ import annotations

from typing import NamedTuple


class Aspect(NamedTuple):
    """What to say when there is ``more`` or ``less`` of it, by its mean; or just ``other``."""

    more: str
    less: str
    other: str = ""


ASPECTS = {
    "length": Aspect("texts got longer", "texts got shorter"),
    "words": Aspect("texts use rarer words", "texts use commoner words", "texts use other words"),
    "unknown words": Aspect("more words are unknown", "fewer words are unknown"),
    "language": Aspect("", "", "texts came in other languages"),
    "brightness": Aspect("images got brighter", "images got darker"),
    "sharpness": Aspect("images got sharper", "images got blurred"),
    "size": Aspect("images got larger", "images got smaller"),
    "look": Aspect("", "", "images show other things"),
    "meaning": Aspect("", "", "texts are about other things"),
    "spread": Aspect("values spread farther", "values spread less"),
    "vector": Aspect("", "", "vectors lie elsewhere"),
}


def aspect_name(column: str, aspect: str) -> str:
    """``review (language)``."""
    return f"{column} ({aspect})"


def column_of(name: str) -> tuple[str, str]:
    """The column and the aspect that a name is of; the aspect is empty for a column itself."""
    column, bracket, rest = name.rpartition(" (")
    aspect = rest.removesuffix(")")
    return (column, aspect) if bracket and rest != aspect and aspect in ASPECTS else (name, "")


def in_words(aspect: str, before: float | None, now: float | None) -> str:
    """What it means that the mean went from ``before`` to ``now``; empty where nobody knows."""
    found = ASPECTS.get(aspect)
    if found is None:
        return ""
    if before is None or now is None or not found.more:
        return found.other
    return found.more if now >= before else found.less
