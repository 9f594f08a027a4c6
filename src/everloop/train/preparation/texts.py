"""Texts as the weights of their words."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper
from scipy import sparse

from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import INT64, Wires


class WordWeights(Transform):
    """TF-IDF: ``(1 + ln tf) · (ln((1 + n) / (1 + df)) + 1)``, each row divided by its length.

    ``tf`` counts a word in the row, ``df`` the training rows that hold it, ``n`` the training
    rows (Salton & Buckley, 1988, with scikit-learn's smoothing). Unknown words are left out, a
    row without a known word is all zeros.

    Parameters
    ----------
    vocabulary : words that the schema knows; ids below it are words.
    limit : keep only so many of them, the most frequent; all by default.
    dense : return an array instead of a sparse matrix.

    Attributes
    ----------
    weights_ : the second factor of each word, float64.
    """

    def __init__(self, vocabulary: int, limit: int | None = None, dense: bool = False) -> None:
        self.vocabulary = vocabulary
        self.limit = limit
        self.dense = dense

    def fit(self, X: np.ndarray, y: Any = None) -> WordWeights:
        """Count in how many rows of word ids, n by the length of a text, each word is."""
        self.n_features_in_ = X.shape[1]
        self.width_ = min(self.vocabulary, self.limit or self.vocabulary)
        found = np.diff(self._counts(X).tocsc().indptr)
        self.weights_ = np.log((1 + len(X)) / (1 + found)) + 1.0
        return self

    def transform(self, X: np.ndarray) -> Any:
        """The weights of each row's words, n by ``width_``."""
        counts = self._counts(X)
        counts.data = (1.0 + np.log(counts.data)) * self.weights_[counts.indices]
        rows = np.repeat(np.arange(counts.shape[0]), np.diff(counts.indptr))
        length = np.sqrt(np.bincount(rows, counts.data**2, counts.shape[0]))
        counts.data /= length[rows]
        return counts.toarray() if self.dense else counts

    def _counts(self, X: np.ndarray) -> sparse.csr_matrix:
        known = (X >= 0) & ~(self.width_ <= X)
        rows, _ = np.nonzero(known)
        shape = (len(X), self.width_)
        ones = np.ones(len(rows))
        counts = sparse.csr_matrix((ones, (rows, X[known].astype(np.int64))), shape)
        counts.sum_duplicates()
        return counts

    def graph(self, X: str, wires: Wires) -> str:
        # Two more columns take what is no word: unknown ids, and -1, which means the last column.
        # NaN means no word too; nothing may reach outside.
        given = wires.add("Where", wires.add("IsNaN", X), np.array([-1.0]), X)
        within = wires.add("Clip", given, np.array(-1.0), np.array(float(self.vocabulary)))
        ids = wires.add("Cast", within, to=INT64)
        rows = wires.add("Slice", wires.add("Shape", X), np.array([0]), np.array([1]))
        shape = wires.add("Concat", rows, np.array([self.vocabulary + 2]), axis=0)
        empty = wires.add("ConstantOfShape", shape, value=_double(0.0))
        size = wires.add("Shape", X)
        ones = wires.add("ConstantOfShape", size, value=_double(1.0))
        every = wires.add("ScatterElements", empty, ids, ones, axis=1, reduction="add")
        counts = wires.add("Slice", every, np.array([0]), np.array([self.width_]), np.array([1]))
        # The logarithm of 0 never reaches the answer, as counts below 1 stay as they are.
        one = np.array([1.0])
        logs = wires.add("Add", wires.add("Log", wires.add("Max", counts, one)), one)
        here = wires.add("Cast", counts, to=9)
        damped = wires.add("Where", here, logs, np.array([0.0]))
        weighted = wires.add("Mul", damped, self.weights_.reshape(1, -1))
        length = wires.add("ReduceL2", weighted, np.array([1]), keepdims=1)
        length = wires.add("Max", length, np.array([1e-300]))
        return wires.add("Div", weighted, length)


def _double(value: float) -> Any:
    return numpy_helper.from_array(np.array([value]))
