"""Isolation forest: rows that few cuts set apart."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import (
    OnnxAdd,
    OnnxCast,
    OnnxConcat,
    OnnxExp,
    OnnxMul,
    OnnxSigmoid,
    OnnxSub,
    OnnxTreeEnsembleRegressor_3,
)
from sklearn.ensemble import IsolationForest as Trees

from everloop.train.estimators._base import DOUBLE, GraphClassifier
from everloop.train.estimators._distances import dense
from everloop.train.tree_ensembles import Node, ensemble

MARGIN = 4.0  # score at which p is nearly 1: four spreads above the threshold
_EULER = 0.5772156649015329


class IsolationForest(GraphClassifier):
    """``s(x) = 2^(-E[h(x)] / c(ψ))``, h the depth at which random cuts isolate x.

    Liu, Ting and Zhou (2008). The answer is ``p = 1 / (1 + exp(-(s - t) / σ))``: above one half
    where the score is above the threshold ``t``, which a share ``contamination`` of the training
    rows exceeds. Where every row has a label that share is theirs; labels are read for nothing
    else.
    """

    def __init__(
        self,
        n_estimators: int = 100,
        max_samples: int = 256,
        contamination: float = 0.05,
        random_state: int = 0,
    ) -> None:
        self.n_estimators, self.max_samples = n_estimators, max_samples
        self.contamination, self.random_state = contamination, random_state

    def fit(self, X: Any, y: np.ndarray | None = None) -> IsolationForest:
        """Learn from n rows; ``y`` (1: an anomaly, -1: unknown) sets the share called one."""
        rows = dense(X)
        self.classes_, self.n_features_in_ = np.array([0, 1]), rows.shape[1]
        self.trees_ = Trees(
            n_estimators=self.n_estimators,
            max_samples=min(self.max_samples, len(rows)),
            random_state=self.random_state,
        ).fit(rows)
        # Labels of some rows alone are of those that somebody looked at: no share of all.
        known = y is not None and np.any(y) and not np.any(np.asarray(y) < 0)
        share = float(np.mean(y)) if y is not None and known else self.contamination
        scores = self.scores(rows)
        self.threshold_ = float(np.quantile(scores, 1.0 - min(share, 0.5)))
        self.spread_ = max(float(scores.std()), 1e-6) / MARGIN
        return self

    def scores(self, X: Any) -> np.ndarray:
        """``s`` of each row, from 0 to 1."""
        return -np.asarray(self.trees_.score_samples(dense(X)))

    def predict_proba(self, X: Any) -> np.ndarray:
        z = (self.scores(X) - self.threshold_) / self.spread_
        p = np.exp(-np.logaddexp(0.0, -z))
        return np.column_stack([1.0 - p, p])

    def graph(self, X: Any, opset: int) -> Any:
        wide = OnnxCast(X, to=DOUBLE, op_version=opset)
        depth = OnnxTreeEnsembleRegressor_3(wide, op_version=3, **self._attributes())
        mean = OnnxCast(depth, to=DOUBLE, op_version=opset)
        scale = -np.log(2.0) / (len(self.trees_.estimators_) * _usual_depth(self._samples()))
        score = OnnxExp(OnnxMul(mean, np.array([[scale]]), op_version=opset), op_version=opset)
        slope, start = 1.0 / self.spread_, -self.threshold_ / self.spread_
        turned = OnnxMul(score, np.array([[slope]]), op_version=opset)
        p = OnnxSigmoid(OnnxAdd(turned, np.array([[start]]), op_version=opset), op_version=opset)
        return OnnxConcat(
            OnnxSub(np.ones((1, 1)), p, op_version=opset), p, axis=1, op_version=opset
        )

    def _samples(self) -> int:
        return int(self.trees_.max_samples_)

    def _attributes(self) -> dict[str, Any]:
        nodes: list[Node] = []
        for number, grown in enumerate(self.trees_.estimators_):
            nodes += _nodes(grown.tree_, number)
        return ensemble(nodes, 1)


def _nodes(tree: Any, number: int) -> list[Node]:
    depths = {0: 0}
    made = []
    for place in range(tree.node_count):
        node = Node(number, place)
        left, right = int(tree.children_left[place]), int(tree.children_right[place])
        if left < 0:
            node.value = depths[place] + _usual_depth(int(tree.n_node_samples[place]))
        else:
            depths[left] = depths[right] = depths[place] + 1
            node.mode, node.value = "BRANCH_LEQ", float(tree.threshold[place])
            node.feature, node.left, node.right = int(tree.feature[place]), left, right
        made.append(node)
    return made


def _usual_depth(samples: int) -> float:
    """``c(n)``: the mean depth of a failed search in a random tree of n rows."""
    if samples <= 1:
        return 0.0
    if samples == 2:
        return 1.0
    return float(2.0 * (np.log(samples - 1.0) + _EULER) - 2.0 * (samples - 1.0) / samples)
