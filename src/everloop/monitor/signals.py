"""One number for a text, an image or a sequence, and what else it is looked at for.

A text counts by how common its words are: the mean place of its words in the vocabulary, most
frequent first, with unknown words last. An image counts by its brightness (the mean pixel), a
sequence by the mean of its values. Beside it stand aspects: of a text its length, language and
unknown words, of an image its sharpness, size and rough look, of a sequence how far its values
spread and where it lies as a vector. A change that leaves all of these alone is not seen here; it
is seen in the answers.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.columns import as_image, as_sequence, as_text
from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput
from everloop.monitor.aspects import images, texts

MEANT = {"text": "words", "image": "brightness"}  # the aspect that the number is, by kind
NARROW = 8  # numbers; a shorter sequence is no embedding
_ROWS = 1024


def signal(column: pl.Series, feature: Feature) -> NDArray[np.float64]:
    """The number of each row, float64; NaN for a missing or an unreadable value."""
    alone = Schema((feature,), "", "regression")
    parts = [
        _means(column.slice(first, _ROWS), alone) for first in range(0, max(len(column), 1), _ROWS)
    ]
    return np.concatenate(parts)


def _means(column: pl.Series, alone: Schema) -> NDArray[np.float64]:
    feature = alone.features[0]
    X = _encoded(column, alone)
    if X is None:
        return np.full(len(column), np.nan)
    given = X >= 0 if feature.kind == "text" else ~np.isnan(X)
    count = given.sum(axis=1)
    total = np.where(given, X, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def _encoded(column: pl.Series, alone: Schema) -> NDArray[np.float64] | None:
    try:
        return encode(column.to_frame(alone.features[0].name), alone)
    except InvalidInput:
        return None


Aspects = dict[str, NDArray[np.float64] | pl.Series]


def aspects(column: pl.Series, feature: Feature) -> Aspects:
    """What a text, an image or a sequence is looked at for, by its name.

    Arrays of n numbers or n by d vectors, and a series of languages. Words and images are those of
    some rows, evenly spread. Empty for values that cannot be read as the feature's kind.
    """
    look = {"text": _of_texts, "image": _of_images, "sequence": _of_sequences}[feature.kind]
    try:
        return look(column, feature)
    except InvalidInput:
        return {}


def _of_texts(column: pl.Series, feature: Feature) -> Aspects:
    text = as_text(column)
    read = texts.some(text)
    found: Aspects = {
        "length": text.str.len_chars().cast(pl.Float64).to_numpy(),
        "language": texts.languages(read),
    }
    if feature.tokens == "words":
        found["unknown words"] = texts.unknown_share(read, feature)
    return found


def _of_images(column: pl.Series, feature: Feature) -> Aspects:
    seen = images.looks(texts.some(as_image(column), images.LOOKED_AT))
    return {"sharpness": seen.sharpness, "size": seen.size, "look": seen.look}


def _of_sequences(column: pl.Series, feature: Feature) -> Aspects:
    X = _encoded(as_sequence(column), Schema((feature,), "", "regression"))
    if X is None or not len(X):
        return {}
    there = ~np.isnan(X)
    count = np.maximum(there.sum(axis=1), 1)
    mean = np.where(there, X, 0.0).sum(axis=1) / count
    square = (np.where(there, X - mean[:, None], 0.0) ** 2).sum(axis=1) / count
    found: Aspects = {"spread": np.where(there.any(axis=1), np.sqrt(square), np.nan)}
    if X.shape[1] >= NARROW:
        found["vector"] = X
    return found
