"""Texts as words, and words as numbers; the same functions read a file and a request.

Only the standard library is imported here, since the data plane reads texts too. By a feature's
``tokens``, the number of a word is

========  =====================================================================================
words     its place in ``levels``, the words that most training texts share; ``len(levels)`` for
          another
hashed    ``crc32(word) mod buckets``: nothing is kept and no word is unknown, but some share a
          number (Weinberger et al., 2009)
pieces    its pieces' places in ``levels``, see :mod:`everloop.data.pieces`
========  =====================================================================================
"""

from __future__ import annotations

import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

from everloop.data.pieces import WordPieces
from everloop.data.schema import Feature

MAX_VOCABULARY = 4096  # words that a schema keeps, those in most texts first
BUCKETS = 4096  # that words are hashed into
MAX_LENGTH = 256  # words of a text that a model reads; the rest is cut off
_WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*|[!?$€£%]")
_FEW = 2  # texts that a word must be in


def words(text: str) -> list[str]:
    """The words of ``text`` in lower case, and the signs ``! ? $ € £ %``, which carry meaning."""
    return _WORD.findall(text.lower())


def vocabulary(texts: Iterable[str], most: int = MAX_VOCABULARY) -> tuple[tuple[str, ...], int]:
    """The words that at least two of ``texts`` hold, those in most texts first, and how many words
    the longest text has: most of the time goes to finding words, which is done once for both."""
    counts: Counter[str] = Counter()
    longest = 0
    for text in texts:
        found = words(text)
        longest = max(longest, len(found))
        counts.update(set(found))
    shared = [(-count, word) for word, count in counts.items() if count >= _FEW]
    return tuple(word for _, word in sorted(shared)[:most]), longest


def longer(text: str, length: int) -> bool:
    """Whether ``text`` has more than ``length`` words; each takes a character at least."""
    return len(text) > length and len(words(text)) > length


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


def hashed_ids(text: str | None, buckets: int, length: int) -> list[float]:
    """The same for words that are hashed; none is unknown."""
    ids = [float(zlib.crc32(word.encode()) % buckets) for word in words(text or "")[:length]]
    return ids + [-1.0] * (length - len(ids))


def text_reader(feature: Feature) -> Callable[[str | None], list[float]]:
    """What makes the columns of ``feature`` from a text; a missing text is all -1."""
    length = feature.shape[0]
    if feature.tokens == "pieces":
        return WordPieces(feature.levels, length).ids
    if feature.tokens == "hashed":
        return lambda text: hashed_ids(text, feature.buckets, length)
    index = word_index(feature.levels)
    return lambda text: word_ids(text, index, length)
