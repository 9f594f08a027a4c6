"""Categories as what the target is on average where they occur."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._lookup import Lookup
from everloop.train.preparation._step import number

FOLDS = 5


class TargetEncoding(Lookup):
    """``(Σ y of the level + m · mean) / (rows of the level + m)`` (Micci-Barreca, 2001).

    A training row is encoded by the rows of the other folds, since its own target in its own
    feature would be believed by every model. A missing or unseen level gets the mean. Of more than
    two classes, each has its column.

    Parameters
    ----------
    smoothing : m, rows that the mean counts as.
    """

    def __init__(self, smoothing: float = 10.0) -> None:
        self.smoothing = smoothing

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        targets, self.names_ = _columns(y, schema)
        self.targets_ = targets
        super().learn(X, y, schema, seed)
        encoded = self._out_of_fold(X, targets, seed) if self.columns_ else []
        del self.targets_  # the training rows are no part of the model
        return np.column_stack([X[:, self.kept_], *encoded]) if encoded else X

    def table(self, feature: Feature, codes: np.ndarray) -> tuple[np.ndarray, list[Feature]]:
        table = self._means(codes, self.targets_, len(feature.levels))
        return table, [number(f"{feature.name}{suffix}") for suffix in self.names_]

    def _means(self, codes: np.ndarray, targets: np.ndarray, levels: int) -> np.ndarray:
        mean = targets.mean(axis=0)
        place = codes.astype(np.int64) + 1
        counts = np.bincount(place, minlength=levels + 1)[:, None]
        sums = np.column_stack(
            [np.bincount(place, weights=t, minlength=levels + 1) for t in targets.T]
        )
        table = (sums + self.smoothing * mean) / (counts + self.smoothing)
        table[0] = mean
        return np.asarray(table)

    def _out_of_fold(self, X: np.ndarray, targets: np.ndarray, seed: int) -> list[np.ndarray]:
        fold = np.random.default_rng(seed).permutation(len(X)) % FOLDS
        encoded = []
        for column, table in zip(self.columns_, self.tables_, strict=True):
            codes = X[:, column]
            out = np.empty((len(X), targets.shape[1]))
            for k in range(FOLDS):
                own, others = fold == k, fold != k
                means = self._means(codes[others], targets[others], len(table) - 1)
                out[own] = means[codes[own].astype(np.int64) + 1]
            encoded.append(out)
        return encoded


def _columns(y: np.ndarray, schema: Schema) -> tuple[np.ndarray, list[str]]:
    """The target as columns of numbers, and how their names end."""
    y = np.asarray(y)
    if y.ndim == 2:
        return y.astype(np.float64), [f" ({i})" for i in range(y.shape[1])]
    if schema.numeric or len(schema.classes) <= 2:
        return y.astype(np.float64)[:, None], [""]
    return np.eye(len(schema.classes))[y.astype(np.int64)], [f" ({c})" for c in schema.classes]
