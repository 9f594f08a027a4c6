"""Missing numbers, each regressed on all others in turn."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, numeric_columns
from everloop.train.preparation._wires import Wires

ROUNDS = 3
ROWS = 20_000  # that the regressions read


class _Line(NamedTuple):
    """One regression: of which column, ``x @ weights + base``."""

    column: int
    weights: np.ndarray
    base: float


class IterativeFill(Step):
    """Chained equations (van Buuren and Groothuis-Oudshoorn, 2011), one deterministic imputation.

    Holes start as the mean; then each column that had holes is regressed on all others by ridge
    regression, fewest holes first, and its holes are filled with the prediction, kept within the
    column's range in training; ``rounds`` times. Other columns are filled with their mean.
    """

    def __init__(self, rounds: int = ROUNDS) -> None:
        self.rounds = rounds

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.columns_ = np.array(numeric_columns(schema), dtype=np.int64)
        taken = set(self.columns_.tolist())
        self.kept_ = [c for c in range(X.shape[1]) if c not in taken]
        self.order_ = np.argsort(np.array([*self.kept_, *self.columns_], dtype=np.int64))
        rows = np.random.default_rng(seed).permutation(len(X))[:ROWS]
        N = X[np.ix_(rows, self.columns_)]
        gone = np.isnan(N)
        known = [c[~g] if (~g).any() else np.zeros(1) for c, g in zip(N.T, gone.T, strict=True)]
        self.mean_ = np.array([c.mean() for c in known])
        self.low_ = np.array([c.min() for c in known])
        self.high_ = np.array([c.max() for c in known])
        self.lines_ = self._regressions(np.where(gone, self.mean_, N), gone)
        self._become(schema, schema.features)
        return self.transform(X)

    def _regressions(self, filled: np.ndarray, gone: np.ndarray) -> list[_Line]:
        scale = np.where(filled.std(axis=0) > 0, filled.std(axis=0), 1.0)
        missing = gone.sum(axis=0)
        holes = [int(c) for c in np.argsort(missing, kind="stable") if 0 < missing[c] < len(gone)]
        lines = []
        for _ in range(self.rounds):
            for column in holes:
                line = _ridge(filled, ~gone[:, column], column, scale, self.mean_)
                lines.append(line)
                answer = np.clip(
                    filled @ line.weights + line.base, self.low_[column], self.high_[column]
                )
                filled[:, column] = np.where(gone[:, column], answer, filled[:, column])
        return lines

    def transform(self, X: np.ndarray) -> np.ndarray:
        out = X.copy()
        gone = np.isnan(X[:, self.columns_])
        rows = np.flatnonzero(gone.any(axis=1))
        gone = gone[rows]
        N = np.where(gone, self.mean_, X[np.ix_(rows, self.columns_)])
        for column, weights, base in self.lines_:
            answer = np.clip(N @ weights + base, self.low_[column], self.high_[column])
            N[:, column] = np.where(gone[:, column], answer, N[:, column])
        out[np.ix_(rows, self.columns_)] = N
        return out

    def graph(self, X: str, wires: Wires) -> str:
        given = wires.columns(X, self.columns_)
        gone = wires.add("IsNaN", given)
        N = wires.add("Where", gone, self.mean_[None, :], given)
        for column, weights, base in self.lines_:
            raw = wires.add("Add", wires.add("MatMul", N, weights[:, None]), np.array([[base]]))
            low, high = np.array([[self.low_[column]]]), np.array([[self.high_[column]]])
            answer = wires.add("Min", wires.add("Max", raw, low), high)
            here = np.arange(len(self.columns_))[None, :] == column
            N = wires.add("Where", wires.add("And", gone, here), answer, N)
        kept = [wires.columns(X, self.kept_)] if self.kept_ else []
        return wires.add("Gather", wires.beside([*kept, N]), self.order_, axis=1)


def _ridge(
    filled: np.ndarray, rows: np.ndarray, column: int, scale: np.ndarray, mean: np.ndarray
) -> _Line:
    """Ridge regression of one column on the others, in units of deviation; penalty 1e-3 a row."""
    Z = (filled[rows] - mean) / scale
    target = Z[:, column].copy()
    Z[:, column] = 0.0
    center, level = Z.mean(axis=0), target.mean()
    Z, target = Z - center, target - level
    penalty = 1e-3 * len(Z) * np.eye(Z.shape[1])
    slope = np.linalg.solve(Z.T @ Z + penalty, Z.T @ target)
    slope[column] = 0.0
    weights = slope / scale * scale[column]
    base = mean[column] + scale[column] * (level - slope @ center) - weights @ mean
    return _Line(column, weights, float(base))
