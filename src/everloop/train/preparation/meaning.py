"""Texts as vectors outside a model, for profiles that tell what texts are about."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from everloop.data.minilm import vocabulary
from everloop.data.pieces import MAX_PIECES, WordPieces
from everloop.train.preparation.sentences import SentenceEncoder


def embed_texts(texts: Sequence[str]) -> NDArray[np.float64]:
    """The vectors of n texts by all-MiniLM-L6-v2, n by 384, each of length 1.

    Texts that are about the same lie near each other. Some 10 ms a sentence on one core; of a text
    the first 128 word pieces are read. For ``el.profile(..., embed=el.embed_texts)`` and
    ``el.compare``.

    Raises :class:`~everloop.errors.MissingExtra` without ``everloop[text]``.
    """
    pieces = WordPieces(vocabulary(), MAX_PIECES)
    X = np.array([pieces.ids(text) for text in texts], dtype=np.float64).reshape(-1, MAX_PIECES)
    return np.asarray(SentenceEncoder().fit(X).transform(X))
