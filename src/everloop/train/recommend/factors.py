"""Matrix factorisation by alternating least squares."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.train.recommend._base import Floats, Graph, Recommender, find_columns


class MatrixFactorisation(Recommender):
    """``r̂(u, i) = μ + b_u + b_i + p_u · q_i`` (Koren, Bell and Volinsky, 2009).

    ``p`` and ``q`` minimise the squared error with penalty ``penalty (n_u |p_u|² + n_i |q_i|²)``,
    weighted by the ratings of each (Zhou et al., 2008), solved in turns, each by least squares.
    """

    def __init__(
        self,
        schema: Schema,
        factors: int = 16,
        rounds: int = 10,
        penalty: float = 0.1,
        random_state: int = 0,
    ) -> None:
        self.columns_, self.sizes_ = find_columns(schema)
        self.factors, self.rounds, self.penalty = factors, rounds, penalty
        self.random_state = random_state

    def fit(self, X: Floats, y: Floats) -> MatrixFactorisation:
        """Learn from n rows of ``X`` and their ratings."""
        rng = np.random.default_rng(self.random_state)
        user, item = self.pairs(X)
        users, items = self.sizes_
        rest = self.fit_biases(user, item, np.asarray(y, dtype=np.float64), 5.0)
        self.p_ = np.zeros((users + 1, self.factors))
        self.q_ = rng.normal(scale=0.1, size=(items + 1, self.factors))
        self.q_[items] = 0.0
        known = (user < users) & (item < items)
        user, item, rest = user[known], item[known], rest[known]
        by_user, by_item = _rows_of(user, users), _rows_of(item, items)
        for _ in range(self.rounds):
            self._solve(self.p_, by_user, self.q_[item], rest)
            self._solve(self.q_, by_item, self.p_[user], rest)
        return self

    def predict(self, X: Floats) -> Floats:
        """The rating of each row."""
        user, item = self.pairs(X)
        return np.asarray(self.baseline(user, item) + (self.p_[user] * self.q_[item]).sum(axis=1))

    def export_onnx(self, schema: Schema) -> bytes:
        """Two rows gathered, multiplied and summed."""
        graph = Graph()
        user, item, baseline = graph.baseline(self)
        p = graph.add("Gather", [graph.constant("p", self.p_), user], "p.u", axis=0)
        q = graph.add("Gather", [graph.constant("q", self.q_), item], "q.i", axis=0)
        product = graph.add("Mul", [p, q], "pq")
        axis = graph.constant("axis", np.array([1]))
        taste = graph.add("ReduceSum", [product, axis], "taste", keepdims=0)
        graph.add("Add", [baseline, taste], "y")
        return graph.to_bytes(schema)

    def _solve(self, side: Floats, rows: list[Any], other: Floats, rest: Floats) -> None:
        eye = np.eye(self.factors)
        for code, mine in enumerate(rows):
            if len(mine):
                F = other[mine]
                A = F.T @ F + self.penalty * len(mine) * eye
                side[code] = np.linalg.solve(A, F.T @ rest[mine])


def _rows_of(codes: Any, count: int) -> list[Any]:
    """For each code, the numbers of its rows."""
    order = np.argsort(codes, kind="stable")
    return np.split(order, np.searchsorted(codes[order], np.arange(1, count)))
