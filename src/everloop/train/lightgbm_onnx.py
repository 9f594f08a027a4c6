"""LightGBM's trees as an ONNX tree ensemble.

NaN goes where ``default_left`` says when the feature was missing in training, and counts as 0
when it never was.
"""

from __future__ import annotations

from typing import Any

import lightgbm
from skl2onnx import update_registered_converter

from everloop.errors import invalid
from everloop.train.tree_ensembles import (
    Node,
    class_converter,
    class_shape,
    ensemble,
    number_converter,
    number_shape,
)

_PLAIN = ("regression", "binary", "multiclass", "quantile", "lambdarank")


def register() -> None:
    """Make skl2onnx convert LightGBM's estimators with this module."""
    number = number_converter(tree_attributes)
    for cls in (lightgbm.LGBMRegressor, lightgbm.LGBMRanker):
        update_registered_converter(cls, f"Everloop{cls.__name__}", number_shape, number)
    update_registered_converter(
        lightgbm.LGBMClassifier,
        "EverloopLGBMClassifier",
        class_shape,
        class_converter(tree_attributes),
        options={"zipmap": [True, False, "columns"], "nocl": [True, False]},
    )


def tree_attributes(model: Any) -> dict[str, Any]:
    """Attributes of ``TreeEnsembleRegressor`` for a fitted estimator of LightGBM.

    Raises :class:`~everloop.errors.InvalidInput` for an objective or a split with no counterpart.
    """
    dump = model.booster_.dump_model()
    objective = str(dump.get("objective", "custom")).split(" ")[0]
    if objective not in _PLAIN:
        raise invalid("objective", objective, "one of " + ", ".join(_PLAIN), code="not_exportable")
    return trees_of(dump)


def trees_of(dump: dict[str, Any]) -> dict[str, Any]:
    """The same of what ``Booster.dump_model`` tells, whatever the objective makes of the scores.

    Raises :class:`~everloop.errors.InvalidInput` for a split or a leaf with no counterpart.
    """
    return ensemble(nodes_of(dump), int(dump["num_tree_per_iteration"]))


def nodes_of(dump: dict[str, Any]) -> list[Node]:
    """Nodes of all trees that ``Booster.dump_model`` tells of.

    Raises :class:`~everloop.errors.InvalidInput` for a split or a leaf with no counterpart.
    """
    nodes: list[Node] = []
    for number, tree in enumerate(dump["tree_info"]):
        nodes += _flatten(tree["tree_structure"], number)
    return nodes


def _flatten(root: dict[str, Any], tree: int) -> list[Node]:
    nodes: list[Node] = []
    waiting: list[tuple[dict[str, Any], Node | None, str]] = [(root, None, "")]
    while waiting:
        source, parent, side = waiting.pop()
        node = Node(tree, len(nodes))
        nodes.append(node)
        if parent is not None:
            setattr(parent, side, node.id)
        if "split_feature" not in source:
            if source.get("leaf_features"):
                raise invalid(
                    "linear_tree", True, "leaves that are numbers", code="not_exportable",
                    fix="Leave linear_tree out.",
                )  # fmt: skip
            node.value = float(source["leaf_value"])
            node.leaf = int(source.get("leaf_index", 0))  # a tree that is one leaf has no number
            continue
        if source["decision_type"] != "<=":
            raise invalid(
                "categorical_feature",
                source["decision_type"],
                "splits on numbers",
                code="not_exportable",
                fix="Leave categorical_feature out; categories arrive as codes.",
            )
        if source["missing_type"] == "Zero":
            raise invalid(
                "zero_as_missing", True, "missing values that are none", code="not_exportable",
                fix="Leave zero_as_missing out.",
            )  # fmt: skip
        node.mode, node.value = "BRANCH_LEQ", float(source["threshold"])
        node.feature = int(source["split_feature"])
        as_zero = source["missing_type"] == "None"
        node.missing_left = int(node.value >= 0.0 if as_zero else source["default_left"])
        waiting.append((source["right_child"], node, "right"))
        waiting.append((source["left_child"], node, "left"))
    return nodes
