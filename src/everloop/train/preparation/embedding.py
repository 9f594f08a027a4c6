"""Texts that are read as word pieces become vectors, before anything else is done."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import Step, spans
from everloop.train.preparation._wires import Wires
from everloop.train.preparation.sentences import SIZE, SentenceEncoder


class TextEmbedding(Step):
    """A vector in the place of each such text, which every candidate reads like a sequence of one
    step. Nothing is learned from the rows, so that one pass serves all validation parts."""

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.texts_: list[list[int]] = []
        self.kept_: list[int] = []
        kept, vectors = [], []
        for feature, columns in spans(schema):
            if reads_pieces(feature):
                self.texts_.append(columns)
                vectors.append(Feature(feature.name, "sequence", shape=(1, SIZE)))
            else:
                self.kept_ += columns
                kept.append(feature)
        self._become(schema, kept + vectors)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        parts = [_encoder(columns).transform(X[:, columns]) for columns in self.texts_]
        return np.hstack([X[:, self.kept_], *parts])

    def graph(self, X: str, wires: Wires) -> str:
        parts = [wires.columns(X, self.kept_)] if self.kept_ else []
        for columns in self.texts_:
            parts.append(_encoder(columns).graph(wires.columns(X, columns), wires))
        return wires.beside(parts)


def reads_pieces(feature: Feature) -> bool:
    """Whether it is a text for a language model."""
    return feature.kind == "text" and feature.tokens == "pieces"


def _encoder(columns: list[int]) -> SentenceEncoder:
    return SentenceEncoder().fit(np.empty((0, len(columns))))
