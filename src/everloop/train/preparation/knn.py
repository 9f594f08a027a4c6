"""Missing numbers from the rows that are most alike."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, known_medians, numeric_columns
from everloop.train.preparation._wires import DOUBLE, Wires

DONORS = 1_000  # rows that a missing value may come from
ROWS_AT_ONCE = 4_096


class NearestFill(Step):
    """The mean over the ``neighbours`` nearest donors, weighted ``1 - d²/h²``.

    Distances ``d`` are Euclidean over the columns that a row has, in units of their deviation, and
    ``h`` is the distance of the next donor (Hechenbichler and Schliep, 2004, with Epanechnikov's
    kernel). The weight is continuous where donors change places, so that rounding never changes
    the answer by more than itself. Donors are training rows, complete ones if there are enough;
    holes of the others are filled with the median.

    Attributes
    ----------
    donors_ : m by d, in units of deviation from the mean.
    """

    def __init__(self, neighbours: int = 5) -> None:
        self.neighbours = neighbours

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.columns_ = np.array(numeric_columns(schema), dtype=np.int64)
        taken = set(self.columns_.tolist())
        self.kept_ = [c for c in range(X.shape[1]) if c not in taken]
        order = [*self.kept_, *self.columns_]
        self.order_ = np.argsort(np.array(order, dtype=np.int64))
        N = X[:, self.columns_]
        gone = np.isnan(N)
        medians = known_medians(N)
        complete = np.flatnonzero(~gone.any(axis=1))
        pool = complete if len(complete) >= min(len(N), DONORS) // 2 else np.arange(len(N))
        chosen = np.random.default_rng(seed).choice(pool, min(DONORS, len(pool)), replace=False)
        donors = np.where(gone[chosen], medians, N[chosen])
        self.mean_, deviation = donors.mean(axis=0), donors.std(axis=0)
        self.scale_ = np.where(deviation > 0, deviation, 1.0)
        self.donors_ = (donors - self.mean_) / self.scale_
        self.next_ = min(self.neighbours + 1, len(donors))
        self._become(schema, schema.features)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        out = X.copy()
        holes = np.flatnonzero(np.isnan(X[:, self.columns_]).any(axis=1))
        for first in range(0, len(holes), ROWS_AT_ONCE):
            rows = holes[first : first + ROWS_AT_ONCE]
            out[np.ix_(rows, self.columns_)] = self._filled(X[np.ix_(rows, self.columns_)])
        return out

    def _filled(self, N: np.ndarray) -> np.ndarray:
        known = (~np.isnan(N)).astype(np.float64)
        Z = np.where(known > 0, (N - self.mean_) / self.scale_, 0.0)
        D = self.donors_
        squared = known @ (D * D).T - 2.0 * Z @ D.T + (Z * Z).sum(axis=1, keepdims=True)
        squared = squared / np.maximum(known.sum(axis=1, keepdims=True), 1.0)
        reach = np.partition(squared, self.next_ - 1, axis=1)[:, self.next_ - 1 : self.next_]
        weights = np.maximum(reach * (1 + 1e-6) + 1e-6 - squared, 0.0)
        answer = weights @ D / weights.sum(axis=1, keepdims=True) * self.scale_ + self.mean_
        return np.where(known > 0, N, answer)

    def graph(self, X: str, wires: Wires) -> str:
        N = wires.columns(X, self.columns_)
        gone = wires.add("IsNaN", N)
        known = wires.add("Cast", wires.add("Not", gone), to=DOUBLE)
        mean, scale = self.mean_[None, :], self.scale_[None, :]
        scaled = wires.add("Div", wires.add("Sub", N, mean), scale)
        Z = wires.add("Where", gone, np.zeros((1, 1)), scaled)
        D, axis = self.donors_, np.array([1], dtype=np.int64)
        cross = wires.add("MatMul", Z, -2.0 * D.T)
        own = wires.add("ReduceSum", wires.add("Mul", Z, Z), axis, keepdims=1)
        total = wires.add(
            "Add", wires.add("Add", wires.add("MatMul", known, (D * D).T), cross), own
        )
        count = wires.add("Max", wires.add("ReduceSum", known, axis, keepdims=1), np.ones((1, 1)))
        squared = wires.add("Div", total, count)
        weights = self._weights(squared, wires)
        sums = wires.add(
            "Div",
            wires.add("MatMul", weights, D),
            wires.add("ReduceSum", weights, axis, keepdims=1),
        )
        answer = wires.add("Add", wires.add("Mul", sums, scale), mean)
        filled = wires.add("Where", gone, answer, N)
        kept = [wires.columns(X, self.kept_)] if self.kept_ else []
        return wires.add("Gather", wires.beside([*kept, filled]), self.order_, axis=1)

    def _weights(self, squared: str, wires: Wires) -> str:
        count = np.array([self.next_], dtype=np.int64)
        nearest = wires.add("TopK", squared, count, outputs=2, axis=1, largest=0)
        last = wires.add("Gather", nearest, np.array([self.next_ - 1], dtype=np.int64), axis=1)
        wide = wires.add("Mul", last, np.array([[1.0 + 1e-6]]))
        reach = wires.add("Add", wide, np.array([[1e-6]]))
        return wires.add("Max", wires.add("Sub", reach, squared), np.zeros((1, 1)))
