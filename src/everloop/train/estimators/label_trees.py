"""Trees whose leaves hold the share of every label: scikit-learn's, grown on all labels at once."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxCast, OnnxTreeEnsembleRegressor_3
from sklearn.ensemble import ExtraTreesClassifier, RandomForestClassifier
from sklearn.tree import DecisionTreeClassifier

from everloop.train.estimators._base import DOUBLE, GraphLabels
from everloop.train.tree_ensembles import Node, shared_ensemble


class _LabelTrees(GraphLabels):
    """A split lowers the mean impurity of all labels (scikit-learn's multi-output trees).

    Before scikit-learn's class among the bases: answers are one matrix, not a list of them.
    """

    classes_: list[np.ndarray]

    def fit(self, X: Any, y: np.ndarray) -> _LabelTrees:
        """Learn from n rows and their labels, n by k of 0 and 1."""
        super().fit(X, y)
        self.n_labels_ = y.shape[1]
        return self

    def predict_proba(self, X: Any) -> np.ndarray:
        """Probabilities, n by k."""
        parts = super().predict_proba(X)
        return np.column_stack([_of_one(p, c) for p, c in zip(parts, self.classes_, strict=True)])

    def graph(self, X: Any, opset: int) -> Any:
        grown = getattr(self, "estimators_", [self])
        nodes: list[Node] = []
        values: dict[tuple[int, int], np.ndarray] = {}
        for number, one in enumerate(grown):
            nodes += _nodes(one.tree_, number)
            shares = _shares(one, self.classes_) / len(grown)
            values |= {(number, place): share for place, share in enumerate(shares)}
        wide = OnnxCast(X, to=DOUBLE, op_version=opset)
        attributes = shared_ensemble(nodes, values, self.n_labels_)
        summed = OnnxTreeEnsembleRegressor_3(wide, op_version=3, **attributes)
        return OnnxCast(summed, to=DOUBLE, op_version=opset)


class DecisionTreeLabels(_LabelTrees, DecisionTreeClassifier):  # type: ignore[misc]
    """One tree for all labels."""


class RandomForestLabels(_LabelTrees, RandomForestClassifier):  # type: ignore[misc]
    """Bagged trees for all labels."""


class ExtraTreesLabels(_LabelTrees, ExtraTreesClassifier):  # type: ignore[misc]
    """Trees with random cuts for all labels."""


def _of_one(proba: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """The probability of 1; a label that never varied in training has one column alone."""
    place = np.flatnonzero(classes == 1)
    return proba[:, place[0]] if len(place) else np.zeros(len(proba))


def _shares(tree: Any, classes: list[np.ndarray]) -> np.ndarray:
    """The share of each label in every node, nodes by k; a forest's trees know codes alone."""
    counts = tree.tree_.value  # nodes by k by classes
    shares = counts / counts.sum(axis=2, keepdims=True)
    return np.column_stack([_of_one(shares[:, k, :], c) for k, c in enumerate(classes)])


def _nodes(tree: Any, number: int) -> list[Node]:
    made = []
    for place in range(tree.node_count):
        node = Node(number, place)
        left = int(tree.children_left[place])
        if left >= 0:
            node.mode, node.value = "BRANCH_LEQ", float(tree.threshold[place])
            node.feature, node.left = int(tree.feature[place]), left
            node.right = int(tree.children_right[place])
        made.append(node)
    return made
