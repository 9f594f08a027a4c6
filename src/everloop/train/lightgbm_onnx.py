"""LightGBM's trees as an ONNX tree ensemble, with thresholds in double precision.

A node of LightGBM sends ``x <= threshold`` to the left. NaN goes where ``default_left`` says when
the feature was missing in training, and counts as 0 when it never was. Leaves are summed to raw
scores: the answer of a regressor, the argument of a sigmoid (two classes) or of a softmax (more).
"""

from __future__ import annotations

from typing import Any

import lightgbm
import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx import update_registered_converter
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType

from everloop.errors import invalid

_PLAIN = ("regression", "binary", "multiclass")


def register() -> None:
    """Make skl2onnx convert LightGBM's estimators with this module."""
    update_registered_converter(
        lightgbm.LGBMRegressor, "EverloopLgbmRegressor", _regressor_shape, _convert_regressor
    )
    update_registered_converter(
        lightgbm.LGBMClassifier,
        "EverloopLgbmClassifier",
        _classifier_shape,
        _convert_classifier,
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
    targets = int(dump["num_tree_per_iteration"])
    nodes: list[_Node] = []
    for number, tree in enumerate(dump["tree_info"]):
        nodes += _flatten(tree["tree_structure"], number)
    leaves = [n for n in nodes if n.mode == "LEAF"]
    columns = {
        "nodes_treeids": [n.tree for n in nodes],
        "nodes_nodeids": [n.id for n in nodes],
        "nodes_featureids": [n.feature for n in nodes],
        "nodes_modes": [n.mode for n in nodes],
        "nodes_truenodeids": [n.left for n in nodes],
        "nodes_falsenodeids": [n.right for n in nodes],
        "nodes_missing_value_tracks_true": [n.missing_left for n in nodes],
        "target_treeids": [n.tree for n in leaves],
        "target_nodeids": [n.id for n in leaves],
        "target_ids": [n.tree % targets for n in leaves],
    }
    values = {
        "nodes_values_as_tensor": [n.value if n.mode != "LEAF" else 0.0 for n in nodes],
        "target_weights_as_tensor": [n.value for n in leaves],
    }
    tensors = {
        k: numpy_helper.from_array(np.array(v, dtype=np.float64), k) for k, v in values.items()
    }
    return columns | tensors | {"n_targets": targets, "aggregate_function": "SUM"}


class _Node:
    """One node of one tree; ``value`` is a threshold, or the score of a leaf."""

    __slots__ = ("feature", "id", "left", "missing_left", "mode", "right", "tree", "value")

    def __init__(self, tree: int, number: int) -> None:
        self.tree, self.id = tree, number
        self.feature = self.left = self.right = self.missing_left = 0
        self.mode, self.value = "LEAF", 0.0


def _flatten(root: dict[str, Any], tree: int) -> list[_Node]:
    nodes: list[_Node] = []
    waiting: list[tuple[dict[str, Any], _Node | None, str]] = [(root, None, "")]
    while waiting:
        source, parent, side = waiting.pop()
        node = _Node(tree, len(nodes))
        nodes.append(node)
        if parent is not None:
            setattr(parent, side, node.id)
        if "split_feature" not in source:
            node.value = float(source["leaf_value"])
            continue
        if source["decision_type"] != "<=":
            raise invalid(
                "categorical_feature",
                source["decision_type"],
                "splits on numbers",
                code="not_exportable",
                fix="Leave categorical_feature out; categories arrive as codes.",
            )
        node.mode, node.value = "BRANCH_LEQ", float(source["threshold"])
        node.feature = int(source["split_feature"])
        as_zero = source["missing_type"] == "None"
        node.missing_left = int(node.value >= 0.0 if as_zero else source["default_left"])
        waiting.append((source["right_child"], node, "right"))
        waiting.append((source["left_child"], node, "left"))
    return nodes


def _regressor_shape(operator: Any) -> None:
    operator.outputs[0].type = DoubleTensorType([None, 1])


def _classifier_shape(operator: Any) -> None:
    classes = len(operator.raw_operator.classes_)
    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, classes])


def _raw_scores(scope: Any, operator: Any, container: Any) -> str:
    single, double = scope.get_unique_variable_name("sum"), scope.get_unique_variable_name("raw")
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        single,
        op_domain="ai.onnx.ml",
        op_version=3,
        name=scope.get_unique_operator_name("Trees"),
        **tree_attributes(operator.raw_operator),
    )
    _node(scope, container, "Cast", [single], double, to=TensorProto.DOUBLE)
    return str(double)


def _convert_regressor(scope: Any, operator: Any, container: Any) -> None:
    raw = _raw_scores(scope, operator, container)
    _node(scope, container, "Identity", [raw], operator.outputs[0].full_name)


def _convert_classifier(scope: Any, operator: Any, container: Any) -> None:
    raw = _raw_scores(scope, operator, container)
    label, probabilities = (output.full_name for output in operator.outputs)
    classes = [int(c) for c in operator.raw_operator.classes_]
    if len(classes) == 2:
        positive, negative, minus = (
            scope.get_unique_variable_name(n) for n in ("positive", "negative", "minus")
        )
        _node(scope, container, "Sigmoid", [raw], positive)
        _node(scope, container, "Neg", [raw], minus)
        _node(scope, container, "Sigmoid", [minus], negative)
        _node(scope, container, "Concat", [negative, positive], probabilities, axis=1)
    else:
        _node(scope, container, "Softmax", [raw], probabilities, axis=1)
    index, table = (scope.get_unique_variable_name(n) for n in ("index", "table"))
    container.add_initializer(table, TensorProto.INT64, [len(classes)], classes)
    _node(scope, container, "ArgMax", [probabilities], index, axis=1, keepdims=0)
    _node(scope, container, "Gather", [table, index], label)


def _node(
    scope: Any, container: Any, kind: str, inputs: list[str], output: str, **attrs: Any
) -> None:
    container.add_node(
        kind, inputs, output, name=scope.get_unique_operator_name(kind), op_version=13, **attrs
    )
