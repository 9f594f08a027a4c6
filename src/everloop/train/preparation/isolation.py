"""Rows unlike the others, found by an isolation forest."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import numpy_helper
from sklearn.ensemble import IsolationForest

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import Step, known_medians, numeric_columns
from everloop.train.preparation._wires import DOUBLE, FLOAT, Wires

ROWS = 50_000  # that decide where the bound lies


class OutlierFlag(Step):
    """A column beside the features: 1 for the ``share`` of rows that are isolated soonest.

    An isolation forest (Liu, Ting and Zhou, 2008) over the numbers, holes filled with the median.
    A row is flagged when its path lengths, summed over the trees, lie below the bound that
    ``share`` of the training rows lie below.

    Attributes
    ----------
    bound_ : between two sums that occurred, so that rounding moves no row across.
    """

    def __init__(self, share: float) -> None:
        self.share = share

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self._grow(X, schema, seed)
        flag = Feature("(outlier)", "boolean")
        self._become(schema, [*schema.features, flag] if self.columns_ else schema.features)
        out = self.transform(X)
        self.flagged_ = float(out[:, -1].mean()) if self.columns_ else 0.0
        return out

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, self.outlying(X)]) if self.columns_ else X

    def outlying(self, X: np.ndarray) -> np.ndarray:
        """Which rows are flagged."""
        return np.asarray(self._paths(X) < self.bound_)

    def facts(self) -> dict[str, Any]:
        return {"flagged_rows": round(self.flagged_, 4)}

    def _grow(self, X: np.ndarray, schema: Schema, seed: int) -> None:
        self.columns_ = numeric_columns(schema)
        if not self.columns_:
            return
        N = X[:, self.columns_]
        self.medians_ = known_medians(N)
        rows = np.random.default_rng(seed).permutation(len(X))[:ROWS]
        forest = IsolationForest(random_state=seed).fit(self._filled(X[rows]))
        self.trees_ = [_lengths(tree.tree_) for tree in forest.estimators_]
        sums = np.unique(self._paths(X[rows]))
        counts = np.searchsorted(np.sort(self._paths(X[rows])), sums, side="left") / len(rows)
        above = int(np.searchsorted(counts, self.share, side="right")) - 1
        below = sums[above - 1] if above > 0 else sums[0] - 1.0
        self.bound_ = float((sums[max(above, 0)] + below) / 2)

    def _filled(self, X: np.ndarray) -> np.ndarray:
        N = X[:, self.columns_]
        return np.where(np.isnan(N), self.medians_, N).astype(np.float32)

    def _paths(self, X: np.ndarray) -> np.ndarray:
        filled = self._filled(X)
        total = np.zeros(len(X))
        for tree in self.trees_:
            total += tree.lengths[_leaf(tree, filled)]
        return total

    def graph(self, X: str, wires: Wires) -> str:
        if not self.columns_:
            return X
        N = wires.columns(X, self.columns_)
        filled = wires.add("Where", wires.add("IsNaN", N), self.medians_[None, :], N)
        single = wires.add("Cast", filled, to=FLOAT)  # the forest reads single precision
        again = wires.add("Cast", single, to=DOUBLE)
        # Centred on the bound: the operator answers in single precision, exact in sign.
        trees = _ensemble(self.trees_, self.bound_ / len(self.trees_))
        sums = wires.add("TreeEnsembleRegressor", again, domain="ai.onnx.ml", **trees)
        flag = wires.add("Less", wires.add("Cast", sums, to=DOUBLE), np.zeros((1, 1)))
        return wires.beside([X, wires.add("Cast", flag, to=DOUBLE)])


class _Tree:
    """Arrays of one tree; ``lengths`` is the path length that each leaf stands for."""

    def __init__(self, tree: Any, lengths: np.ndarray) -> None:
        self.left, self.right = tree.children_left, tree.children_right
        self.feature, self.threshold, self.lengths = tree.feature, tree.threshold, lengths


def _leaf(tree: _Tree, X: np.ndarray) -> np.ndarray:
    node = np.zeros(len(X), dtype=np.int64)
    rows = np.arange(len(X))
    while len(rows):
        at = node[rows]
        rows, at = rows[tree.left[at] >= 0], at[tree.left[at] >= 0]
        goes_left = X[rows, tree.feature[at]] <= tree.threshold[at]
        node[rows] = np.where(goes_left, tree.left[at], tree.right[at])
    return node


def _lengths(tree: Any) -> _Tree:
    """Depth of each node, plus what the rows left in a leaf would need on average."""
    depth = np.zeros(tree.node_count)
    for node in range(tree.node_count):  # a parent comes before its children
        if tree.children_left[node] >= 0:
            depth[[tree.children_left[node], tree.children_right[node]]] = depth[node] + 1
    return _Tree(tree, depth + _average_path(tree.n_node_samples))


def _average_path(n: np.ndarray) -> np.ndarray:
    """``2 (ln(n - 1) + γ) - 2 (n - 1) / n``: an unsuccessful search in a binary tree of n."""
    n = np.asarray(n, dtype=np.float64)
    large = np.maximum(n, 3.0)
    long = 2.0 * (np.log(large - 1.0) + np.euler_gamma) - 2.0 * (large - 1.0) / large
    return np.where(n <= 1, 0.0, np.where(n == 2, 1.0, long))


def _ensemble(trees: list[_Tree], shift: float) -> dict[str, Any]:
    ids = np.concatenate([np.full(len(t.left), i) for i, t in enumerate(trees)])
    nodes = np.concatenate([np.arange(len(t.left)) for t in trees])
    left, right, feature, threshold, lengths = (
        np.concatenate([getattr(t, name) for t in trees])
        for name in ("left", "right", "feature", "threshold", "lengths")
    )
    leaf = left < 0
    tensors = {
        "nodes_values_as_tensor": np.where(leaf, 0.0, threshold),
        "target_weights_as_tensor": lengths[leaf] - shift,
    }
    return {
        "nodes_treeids": ids.tolist(),
        "nodes_nodeids": nodes.tolist(),
        "nodes_featureids": np.where(leaf, 0, feature).tolist(),
        "nodes_modes": ["LEAF" if end else "BRANCH_LEQ" for end in leaf],
        "nodes_truenodeids": np.where(leaf, 0, left).tolist(),
        "nodes_falsenodeids": np.where(leaf, 0, right).tolist(),
        "target_treeids": ids[leaf].tolist(),
        "target_nodeids": nodes[leaf].tolist(),
        "target_ids": [0] * int(leaf.sum()),
        "n_targets": 1,
        "aggregate_function": "SUM",
    } | {name: numpy_helper.from_array(values, name) for name, values in tensors.items()}
