"""Texts as word pieces, as BERT reads them (Devlin et al., 2019).

A text is cleaned of control characters, put into lower case without accents, and divided at white
space, punctuation and Chinese characters. A word that is not in the vocabulary is made of the
longest pieces that are, from its beginning on; a piece within a word is written ``##piece``. A
word that cannot be made of pieces is ``[UNK]``. Only the standard library is imported here, since
the data plane reads texts too.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from functools import lru_cache

MAX_PIECES = 128  # of a text, its two ends included; the rest is cut off
START, END, UNKNOWN = "[CLS]", "[SEP]", "[UNK]"
_LONGEST_WORD = 100  # characters; a longer one is unknown
_REMOVED = frozenset({"Cc", "Cf", "Co"})
_REMEMBERED = 1 << 16
_IDEOGRAPHS = (
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0x20000, 0x2A6DF),
    (0x2A700, 0x2B73F),
    (0x2B740, 0x2B81F),
    (0x2B920, 0x2CEAF),
    (0x2F800, 0x2FA1F),
)


class WordPieces:
    """Reads texts as pieces of a vocabulary.

    Parameters
    ----------
    levels : the vocabulary; a piece's number is its place.
    length : numbers of a text, those of ``[CLS]`` before and ``[SEP]`` after it included.
    """

    def __init__(self, levels: Sequence[str], length: int) -> None:
        self.length = length
        self._places = {piece: float(place) for place, piece in enumerate(levels)}
        self._start, self._end, self._unknown = (self._places[p] for p in (START, END, UNKNOWN))
        self._pieces = lru_cache(_REMEMBERED)(self._divided)

    def ids(self, text: str | None) -> list[float]:
        """``length`` numbers; -1 after the end, and everywhere for a missing text."""
        if text is None:
            return [-1.0] * self.length
        found, room = [self._start], self.length - 1
        for word in basic_words(text):
            found += self._pieces(word)
            if len(found) >= room:
                break
        found[room:] = [self._end]
        return found + [-1.0] * (self.length - len(found))

    def _divided(self, word: str) -> list[float]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found: list[float] = []
        start, mark = 0, ""
        while start < len(word):
            for end in range(len(word), start, -1):
                place = self._places.get(mark + word[start:end])
                if place is not None:
                    break
            else:
                return [self._unknown]
            found.append(place)
            start, mark = end, "##"
        return found


def basic_words(text: str) -> list[str]:
    """The words of ``text`` in lower case without accents; each sign is a word of its own."""
    bare = unicodedata.normalize("NFD", text.translate(_CLEAN)).translate(_WITHOUT_ACCENTS)
    # Case by case of letters: at the end of a word, Python would write another small sigma.
    return bare.replace("Σ", "σ").lower().translate(_APART).split()


class _Characters(dict[int, str]):
    """What becomes of each character, remembered."""

    def __init__(self, become: Callable[[str], str]) -> None:
        self._become = become

    def __missing__(self, code: int) -> str:
        self[code] = self._become(chr(code))
        return self[code]


def _cleaned(c: str) -> str:
    if c in "\t\n\r":
        return " "
    if c == "\ufffd" or unicodedata.category(c) in _REMOVED:
        return ""
    ideograph = any(first <= ord(c) <= last for first, last in _IDEOGRAPHS)
    return f" {c} " if ideograph else c


def _apart(c: str) -> str:
    sign = (c.isascii() and c.isprintable() and not c.isalnum() and c != " ") or (
        unicodedata.category(c).startswith("P")
    )
    return f" {c} " if sign else c


_CLEAN = _Characters(_cleaned)
_WITHOUT_ACCENTS = _Characters(lambda c: "" if unicodedata.category(c) == "Mn" else c)
_APART = _Characters(_apart)
