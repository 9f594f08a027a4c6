"""One number for a text, an image or a sequence, whose drift tells of a change in many of them.

A text counts by how common its words are: the mean place of its words in the vocabulary, most
frequent first, with unknown words last. An image counts by its brightness (the mean pixel), a
sequence by the mean of its values. A change that leaves this number alone is not seen here; it is
seen in the answers.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.encode import encode
from everloop.data.schema import Feature, Schema
from everloop.errors import InvalidInput

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
    try:
        X = encode(column.to_frame(feature.name), alone)
    except InvalidInput:
        return np.full(len(column), np.nan)
    given = X >= 0 if feature.kind == "text" else ~np.isnan(X)
    count = given.sum(axis=1)
    total = np.where(given, X, 0.0).sum(axis=1)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)
