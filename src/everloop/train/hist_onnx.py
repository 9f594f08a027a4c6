"""The trees of scikit-learn's histogram gradient boosting as an ONNX tree ensemble."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx import update_registered_converter
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from everloop.errors import invalid
from everloop.train.tree_ensembles import (
    Node,
    class_converter,
    class_shape,
    ensemble,
    number_converter,
    number_shape,
)

_LINKS = {"squared_error", "absolute_error", "quantile", "log_loss"}


def register() -> None:
    """Make skl2onnx convert both estimators with this module."""
    update_registered_converter(
        HistGradientBoostingRegressor,
        "EverloopHistRegressor",
        number_shape,
        number_converter(tree_attributes),
    )
    update_registered_converter(
        HistGradientBoostingClassifier,
        "EverloopHistClassifier",
        class_shape,
        class_converter(tree_attributes),
        options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
    )


def tree_attributes(model: Any) -> dict[str, Any]:
    """Attributes of ``TreeEnsembleRegressor`` for a fitted estimator.

    Raises :class:`~everloop.errors.InvalidInput` for a loss or a split with no counterpart.
    """
    if model.loss not in _LINKS:
        raise invalid("loss", model.loss, "one of " + ", ".join(sorted(_LINKS)))
    start = np.ravel(model._baseline_prediction)
    rounds = model._predictors
    nodes: list[Node] = []
    for turn, trees in enumerate(rounds):
        for place, tree in enumerate(trees):
            # The baseline is added to the leaves of the first round.
            add = float(start[place]) if turn == 0 else 0.0
            nodes += _nodes(tree.nodes, turn * len(trees) + place, add)
    return ensemble(nodes, len(start)) if nodes else ensemble(_constants(start), len(start))


def _nodes(rows: np.ndarray, tree: int, add: float) -> list[Node]:
    made = []
    for number, row in enumerate(rows):
        node = Node(tree, number)
        if row["is_leaf"]:
            node.value = float(row["value"]) + add
        else:
            if row["is_categorical"]:
                raise invalid(
                    "categorical_features",
                    "<splits on sets of levels>",
                    "splits on numbers",
                    code="not_exportable",
                    fix="Leave categorical_features out; categories arrive as codes.",
                )
            node.mode, node.value = "BRANCH_LEQ", float(row["num_threshold"])
            node.feature = int(row["feature_idx"])
            node.left, node.right = int(row["left"]), int(row["right"])
            node.missing_left = int(row["missing_go_to_left"])
        made.append(node)
    return made


def _constants(start: np.ndarray) -> list[Node]:
    """Trees of one leaf, when nothing was grown."""
    made = []
    for place, value in enumerate(start):
        node = Node(place, 0)
        node.value = float(value)
        made.append(node)
    return made
