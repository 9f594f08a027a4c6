"""What texts are looked at for: their length, their language, and their words."""

from __future__ import annotations

import numpy as np
import polars as pl

from everloop.data.schema import Feature
from everloop.data.texts import words
from everloop.monitor.aspects.languages import language

LOOKED_AT = 4_096  # texts of a batch that are read word by word, evenly spread


def some(column: pl.Series, most: int = LOOKED_AT) -> pl.Series:
    """At most so many of the values that are there, evenly spread."""
    present = column.drop_nulls()
    if len(present) <= most:
        return present
    return present.gather(np.linspace(0, len(present) - 1, most).astype(np.int64))


def languages(texts: pl.Series) -> pl.Series:
    """The language of each text that tells one; the others are left out."""
    found = [language(text) for text in texts]
    return pl.Series(texts.name, found, dtype=pl.String).drop_nulls()


def different_words(texts: pl.Series) -> pl.Series:
    """The words of all texts, each once a text."""
    found = [word for text in texts for word in set(words(text))]
    return pl.Series(texts.name, found, dtype=pl.String)


def unknown_share(texts: pl.Series, feature: Feature) -> np.ndarray:
    """Which share of each text's words the model has not learned; NaN for a text without words."""
    known = frozenset(feature.levels)
    shares = []
    for text in texts:
        found = words(text)
        shares.append(sum(w not in known for w in found) / len(found) if found else np.nan)
    return np.array(shares, dtype=np.float64)
