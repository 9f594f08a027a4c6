"""River's trees as arrays, which answer many rows at once and are what an ONNX ensemble is made of.

A split is ``x <= threshold``, or ``x == level`` of a category. What a leaf says is put into it
beforehand: its own statistics, and those of the alternates on the way to it, which river asks too.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from river.tree.nodes.branch import DTBranch, NominalBinaryBranch, NumericBinaryBranch

from everloop.train.tree_ensembles import Node

Say = Callable[[list[Any]], np.ndarray]
"""What the leaves of a way say, the last the tree's own and the others alternates; k numbers."""

MOST_NODES = 1_000_000


class Grown(NamedTuple):
    """One tree: m nodes, the root first. ``left`` of a leaf is -1; ``values`` m by k."""

    feature: np.ndarray
    threshold: np.ndarray
    nominal: np.ndarray
    left: np.ndarray
    right: np.ndarray
    values: np.ndarray

    def answers(self, X: np.ndarray) -> np.ndarray:
        """What the leaf of each row says, n by k."""
        at, rows = np.zeros(len(X), dtype=np.int64), np.arange(len(X))
        while (self.left[at] >= 0).any():
            told, edge = X[rows, self.feature[at]], self.threshold[at]
            goes = np.where(self.nominal[at], told == edge, told <= edge)
            down = np.where(goes, self.left[at], self.right[at])
            at = np.where(self.left[at] >= 0, down, at)
        return np.asarray(self.values[at])

    def nodes(self, tree: int) -> list[Node]:
        """Of an ONNX ensemble in which this is the tree of that number."""
        made = []
        for place in range(len(self.left)):
            node = Node(tree, place)
            if self.left[place] >= 0:
                node.feature, node.value = int(self.feature[place]), float(self.threshold[place])
                node.left, node.right = int(self.left[place]), int(self.right[place])
                node.mode = "BRANCH_LEQ"
                if self.nominal[place]:
                    # ONNX Runtime 1.32 merges BRANCH_EQ below BRANCH_EQ, also of other branches.
                    node.mode, node.left, node.right = "BRANCH_NEQ", node.right, node.left
            made.append(node)
        return made


def grown(root: Any, say: Say, width: int) -> Grown:
    """A tree of river over ``width`` columns. Raises ValueError for one that is none."""
    nodes: list[Any] = [root]
    ways: list[list[Any]] = [[]]
    columns: list[tuple[int, float, bool, int]] = []
    said: list[Any] = []
    while len(columns) < len(nodes):
        node, alternates = nodes[len(columns)], ways[len(columns)]
        if not isinstance(node, DTBranch):
            columns.append((0, 0.0, False, -1))
            said.append(say([*alternates, node]))
            continue
        if (more := getattr(node, "_alternate_tree", None)) is not None:
            alternates = _with(alternates, more)
        columns.append((*_split(node, width), len(nodes)))
        said.append(None)
        nodes += node.children
        ways += [alternates, alternates]
        if len(nodes) > MOST_NODES:
            raise ValueError("it has more nodes than a tree of events grows")
    return _arrays(columns, said)


def _with(alternates: list[Any], more: Any) -> list[Any]:
    """An alternate answers too, until it has splits of its own: river then has it replace."""
    return alternates if isinstance(more, DTBranch) else [*alternates, more]


def _split(node: Any, width: int) -> tuple[int, float, bool]:
    nominal = isinstance(node, NominalBinaryBranch)
    if not (nominal or isinstance(node, NumericBinaryBranch)) or len(node.children) != 2:
        raise ValueError(f"a split is a {type(node).__name__}, expected one with two sides")
    if type(node.feature) is not int or not 0 <= node.feature < width:
        raise ValueError(f"a split is on column {node.feature!r} of {width}")
    edge = float(node.value if nominal else node.threshold)
    if not math.isfinite(edge):
        raise ValueError(f"a split is at {edge}, which is no number")
    return node.feature, edge, nominal


def _arrays(columns: Sequence[tuple[int, float, bool, int]], said: Sequence[Any]) -> Grown:
    feature, threshold, nominal, left = (np.array(one) for one in zip(*columns, strict=True))
    nothing = np.zeros_like(next(one for one in said if one is not None))
    values = np.array([nothing if one is None else one for one in said], dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("a leaf says what is no number")
    right = np.where(left >= 0, left + 1, -1)
    return Grown(feature, threshold.astype(np.float64), nominal, left, right, values)
