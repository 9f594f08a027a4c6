"""Which language a text is in, by its script and its smallest words.

A rule of thumb that needs no model: enough to see that texts come in another language than before,
not to sort single short ones. Languages that share a script and are not listed count as the
nearest that is. A text whose small words do not agree tells none, so that texts which only got
longer or shorter do not look like ones in other languages.
"""

from __future__ import annotations

import re

from everloop.data.texts import words

LOOKED_AT = 400  # characters of a text
LEAD = 2  # small words by which a language must be ahead of every other

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("uk", re.compile(r"[\u0404\u0406\u0407\u0454\u0456\u0457]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_SMALL = {
    "en": "the and of to is was for that with are this have not you it be on by as at from they",
    "de": "der die das und ist nicht ein eine ich mit auf für den von zu sie es auch dem war sich",
    "fr": "le la les et est une des que pour dans pas qui sur avec du au ce il je vous très nous",
    "es": "el los las y es una que por con para del no se lo muy pero como más está su al",
    "it": "il che di è una per non con sono del della gli ma molto anche questo si mi ho lo",
    "pt": "o os as e é um uma que não com para do da em muito mas por se eu foi dos",
    "nl": "de het een en is van niet dat op met voor zijn ik te maar ook heb was aan er",
    "sv": "och att det är en som på inte för med jag av ett den har var om till men",
    "pl": "i w nie na się jest to z do że jak ale po co za tak od był bardzo",
    "tr": "ve bir bu çok için de da ne ile ama gibi daha var değil en olarak",
}
_TELLING = {word: [k for k, v in _SMALL.items() if word in v.split()]
            for v in _SMALL.values() for word in v.split()}  # fmt: skip

#: Every answer of :func:`language` but None, as ISO 639-1 has them.
LANGUAGES = (*_SMALL, *(name for name, _ in _SCRIPTS))


def language(text: str) -> str | None:
    """The language of ``text``, one of :data:`LANGUAGES`; None where it is not clear.

    >>> language("Das ist nicht der richtige Weg"), language("Где моя посылка?")
    ('de', 'ru')
    """
    text = text[:LOOKED_AT]
    if not text.isascii():
        for name, script in _SCRIPTS:
            if len(script.findall(text)) > len(text) / 8:
                return name if name != "ru" else _cyrillic(text)
    votes: dict[str, int] = {}
    for word in words(text):
        for name in _TELLING.get(word, ()):
            votes[name] = votes.get(name, 0) + 1
    first, second = [*sorted(votes.values(), reverse=True), 0, 0][:2]
    return max(votes, key=lambda name: votes[name]) if first - second >= LEAD else None


def _cyrillic(text: str) -> str:
    return "uk" if _SCRIPTS[3][1].search(text) else "ru"
