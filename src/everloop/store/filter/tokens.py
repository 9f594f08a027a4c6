"""A filter's text, cut into words, names, numbers, texts and signs."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Literal, NamedTuple, TypeAlias

Kind: TypeAlias = Literal["word", "name", "number", "text", "sign", "operator", "junk", "end"]

_SPACE = re.compile(r"\s+")
_NUMBER = re.compile(r"-?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?(?![\w.])")
_WORD = re.compile(r"[^\W\d]\w*")
_PART = re.compile(r"[\w$#@]+")
_OPERATOR = re.compile(r"[<>=~!]+")


class Token(NamedTuple):
    """A piece of the text and where it begins.

    ``word`` is a bare word, perhaps a keyword; ``name`` has a dot or back-ticks: ``entity`` is
    what stands before the first dot (None without one) and ``value`` the key without its quotes.
    """

    kind: Kind
    raw: str
    at: int
    value: str = ""
    entity: str | None = None


def tokens(text: str) -> Iterator[Token]:
    """The tokens of ``text``, then one of the kind ``end``. Takes time linear in its length."""
    at = 0
    while True:
        space = _SPACE.match(text, at)
        at = space.end() if space else at
        if at == len(text):
            yield Token("end", "", at)
            return
        token = _next(text, at)
        yield token
        at += len(token.raw)


def pieces(text: str) -> list[str]:
    """The parts of a list with commas, without blanks around them; a quoted comma is no end."""
    cuts = [-1, *(token.at for token in tokens(text) if token.raw == ","), len(text)]
    parts = (text[a + 1 : b].strip() for a, b in pairwise(cuts))
    return [part for part in parts if part]


def _next(text: str, at: int) -> Token:
    sign = text[at]
    if sign in "(),;":
        return Token("sign", sign, at)
    if sign in "'\"":
        end = _closing(text, at)
        if end is None:
            return Token("junk", text[at:], at)
        return Token("text", text[at:end], at, text[at + 1 : end - 1])
    if sign == "`" or _WORD.match(text, at):
        return _name(text, at)
    for kind, pattern in (("number", _NUMBER), ("operator", _OPERATOR)):
        if found := pattern.match(text, at):
            return Token(kind, found[0], at, found[0])  # type: ignore[arg-type]
    return Token("junk", re.compile(r"\S+").match(text, at)[0], at)  # type: ignore[index]


def _name(text: str, at: int) -> Token:
    """A word, or an entity and a key; either may be quoted, a bare key may have dots."""
    first = _part(text, at)
    if first is None:
        return Token("junk", text[at:], at)
    if text[first : first + 1] != ".":
        raw = text[at:first]
        return Token("name" if raw[0] == "`" else "word", raw, at, _bare(raw))
    end = first
    while text[end : end + 1] == ".":
        part = _part(text, end + 1)
        if part is None:
            return Token("junk", text[at:], at)
        end = part
    entity, key = _bare(text[at:first]), _bare(text[first + 1 : end])
    return Token("name", text[at:end], at, key, entity)


def _part(text: str, at: int) -> int | None:
    """Where the part of a name ends that begins here."""
    if text[at : at + 1] in ("`", '"', "'"):
        return _closing(text, at)
    found = _PART.match(text, at)
    return found.end() if found else None


def _closing(text: str, at: int) -> int | None:
    """Where the quoted text ends that begins here; None when it does not.

    A doubled quote and, but for back-ticks, one behind a backslash belong to the text, unless
    there is no later quote to end it.
    """
    quote = text[at]
    position, last = at + 1, None
    while (position := text.find(quote, position)) >= 0:
        if quote != "`" and position > at + 1 and text[position - 1] == "\\":
            last = position + 1
            position += 1
        elif text[position + 1 : position + 2] == quote:
            last = position + 2
            position += 2
        else:
            return position + 1
    return last


def _bare(text: str) -> str:
    quoted = len(text) >= 2 and text[0] == text[-1] and text[0] in "`'\""
    return text[1:-1] if quoted else text
