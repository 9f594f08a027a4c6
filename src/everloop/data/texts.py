"""Texts as words, and words as numbers; the same functions read a file and a request.

Only the standard library is imported here, since the data plane reads texts too.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping

MAX_VOCABULARY = 4096  # words that a schema keeps, those in most texts first
MAX_LENGTH = 256  # words of a text that a model reads; the rest is cut off
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[!?$€£%]")
_FEW = 2  # texts that a word must be in


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case, and the signs ``! ? $ € £ %``, which carry meaning."""
    return _WORD.findall(text.lower())


def vocabulary(texts: Iterable[str], most: int = MAX_VOCABULARY) -> tuple[str, ...]:
    """The words that at least two of ``texts`` hold, those in most texts first."""
    counts = Counter(word for text in texts for word in set(words(text)))
    shared = [(-count, word) for word, count in counts.items() if count >= _FEW]
    return tuple(word for _, word in sorted(shared)[:most])


def word_index(levels: Iterable[str]) -> dict[str, float]:
    """The number of each word."""
    return {word: float(place) for place, word in enumerate(levels)}


def word_ids(text: str | None, index: Mapping[str, float], length: int) -> list[float]:
    """``length`` numbers of the first words: ``len(index)`` for an unknown one, -1 after the end.

    A missing text has no words.
    """
    unknown = float(len(index))
    ids = [index.get(word, unknown) for word in words(text or "")[:length]]
    return ids + [-1.0] * (length - len(ids))
