"""Item-based collaborative filtering."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.train.recommend._base import Floats, Graph, Recommender, find_columns

Codes = NDArray[np.int64]
MAX_CELLS = 20_000_000  # users by items, and items by items: both are tables in the graph
LEAST = 1e-9  # keeps the division defined where there is no neighbour


class ItemNeighbours(Recommender):
    """``r̂(u, i) = b_ui + Σⱼ s_ij (r_uj - b_uj) / Σⱼ |s_ij|`` over what the user has rated.

    Items are alike by the adjusted cosine of their residuals (Sarwar et al., 2001), shrunk by
    ``shrink`` common users (Koren, 2008); each keeps its ``neighbours`` most similar ones.
    """

    def __init__(self, schema: Schema, neighbours: int = 30, shrink: float = 10.0) -> None:
        self.columns_, self.sizes_ = find_columns(schema)
        users, items = self.sizes_
        if max(users, items) * items > MAX_CELLS:
            raise invalid(
                "train.candidates",
                f"item_based with {users:,} users and {items:,} items",
                f"tables of at most {MAX_CELLS:,} cells",
                fix="matrix_factorisation has no such limit.",
            )
        self.neighbours, self.shrink = neighbours, shrink

    def fit(self, X: Floats, y: Floats) -> ItemNeighbours:
        """Learn from n rows of ``X`` and their ratings; a pair rated twice counts its last."""
        user, item = self.pairs(X)
        users, items = self.sizes_
        rest = self.fit_biases(user, item, np.asarray(y, dtype=np.float64), 5.0)
        self.rest_ = np.zeros((users + 1, items))
        known = item < items
        self.rest_[user[known], item[known]] = rest[known]
        self.rest_[users] = 0.0
        rated = sparse.csr_matrix(self.rest_ != 0, dtype=np.float64)
        values = sparse.csr_matrix(self.rest_)
        common = (rated.T @ rated).toarray()
        norm = np.sqrt(np.asarray(values.multiply(values).sum(axis=0)).ravel())
        alike = (values.T @ values).toarray() / np.maximum(np.outer(norm, norm), LEAST)
        alike *= common / (common + self.shrink)
        np.fill_diagonal(alike, 0.0)
        self.alike_ = np.vstack([self._nearest(alike), np.zeros(items)])
        return self

    def predict(self, X: Floats) -> Floats:
        """The rating of each row."""
        user, item = self.pairs(X)
        return np.concatenate(
            [self._rate(user[i : i + 1024], item[i : i + 1024]) for i in range(0, len(X), 1024)]
        )

    def export_onnx(self, schema: Schema) -> bytes:
        """A user's residuals against an item's neighbours."""
        graph = Graph()
        user, item, baseline = graph.baseline(self)
        rest = graph.add("Gather", [graph.constant("rest", self.rest_), user], "rest.u", axis=0)
        near = graph.add("Gather", [graph.constant("alike", self.alike_), item], "near.i", axis=0)
        axis = graph.constant("axis", np.array([1]))
        product = graph.add("Mul", [rest, near], "product")
        total = graph.add("ReduceSum", [product, axis], "total", keepdims=0)
        zero = graph.constant("nothing", np.array(0.0))
        silent = graph.add("Equal", [rest, zero], "silent")
        size = graph.add("Abs", [near], "size")
        counted = graph.add("Where", [silent, zero, size], "counted")
        weight = graph.add("ReduceSum", [counted, axis], "weight", keepdims=0)
        safe = graph.add("Max", [weight, graph.constant("least", np.array(LEAST))], "safe")
        graph.add("Add", [baseline, graph.add("Div", [total, safe], "taste")], "y")
        return graph.to_bytes(schema)

    def _nearest(self, alike: Floats) -> Floats:
        if alike.shape[1] > self.neighbours:
            least = -np.partition(-np.abs(alike), self.neighbours - 1, axis=1)
            alike = np.where(np.abs(alike) >= least[:, [self.neighbours - 1]], alike, 0.0)
        return alike

    def _rate(self, user: Codes, item: Codes) -> Floats:
        rest, near = self.rest_[user], self.alike_[item]
        weight = (np.abs(near) * (rest != 0)).sum(axis=1)
        taste = (rest * near).sum(axis=1) / np.maximum(weight, LEAST)
        return np.asarray(self.baseline(user, item) + taste)
