"""Candidates whose cost grows faster than the rows: they learn from a sample of bounded size."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting


class Sampled(Candidate):
    """Learns from at most ``most_rows`` rows, drawn alike each time."""

    most_rows: ClassVar[int] = 4_000

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        if len(X) > self.most_rows:
            rows = np.random.default_rng(0).choice(len(X), self.most_rows, replace=False)
            rows = np.unique(np.concatenate([rows, _first_of_each(y)]))
            X, y = X[rows], y[rows]
        estimator.fit(X, y)


def _first_of_each(y: np.ndarray) -> np.ndarray:
    """A row of every class or label, so that a rare one does not vanish with the sample."""
    if not np.issubdtype(y.dtype, np.integer):
        return np.zeros(0, dtype=np.int64)
    if y.ndim == 2:
        return np.unique(y.argmax(axis=0))
    return np.asarray(np.unique(y, return_index=True)[1])
