"""Trees as an ONNX tree ensemble with thresholds in double precision, whoever grew them.

A node sends ``x <= threshold`` to the left, and NaN where it says. Leaves are summed to raw
scores: the answer of a regressor, the argument of a sigmoid (two classes) or of a softmax (more).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper
from skl2onnx.common.data_types import DoubleTensorType, Int64TensorType

Attributes = Callable[[Any], dict[str, Any]]


class Node:
    """One node of one tree; ``value`` is a threshold, or the score of a leaf.

    ``leaf`` is the number of a leaf within its tree, where whoever grew it gave one.
    """

    __slots__ = ("feature", "id", "leaf", "left", "missing_left", "mode", "right", "tree", "value")

    def __init__(self, tree: int, number: int) -> None:
        self.tree, self.id = tree, number
        self.feature = self.left = self.right = self.missing_left = self.leaf = 0
        self.mode, self.value = "LEAF", 0.0


def ensemble(nodes: list[Node], targets: int) -> dict[str, Any]:
    """Attributes of ``TreeEnsembleRegressor``; tree ``t`` adds to the score ``t % targets``."""
    leaves = [(n, n.tree % targets, n.value) for n in nodes if n.mode == "LEAF"]
    return _attributes(nodes, leaves, targets)


def shared_ensemble(
    nodes: list[Node], values: dict[tuple[int, int], np.ndarray], targets: int
) -> dict[str, Any]:
    """The same of trees that add to every score: ``values`` of a leaf by its tree and node.

    A value of 0 adds nothing and is left out, but for one of each leaf.
    """
    leaves = [
        (node, target, float(value))
        for node in nodes
        if node.mode == "LEAF"
        for target, value in enumerate(values[node.tree, node.id])
        if value != 0.0 or target == 0
    ]
    return _attributes(nodes, leaves, targets)


def _attributes(
    nodes: list[Node], leaves: list[tuple[Node, int, float]], targets: int
) -> dict[str, Any]:
    columns = {
        "nodes_treeids": [n.tree for n in nodes],
        "nodes_nodeids": [n.id for n in nodes],
        "nodes_featureids": [n.feature for n in nodes],
        "nodes_modes": [n.mode for n in nodes],
        "nodes_truenodeids": [n.left for n in nodes],
        "nodes_falsenodeids": [n.right for n in nodes],
        "nodes_missing_value_tracks_true": [n.missing_left for n in nodes],
        "target_treeids": [n.tree for n, _, _ in leaves],
        "target_nodeids": [n.id for n, _, _ in leaves],
        "target_ids": [target for _, target, _ in leaves],
    }
    values = {
        "nodes_values_as_tensor": [n.value if n.mode != "LEAF" else 0.0 for n in nodes],
        "target_weights_as_tensor": [value for _, _, value in leaves],
    }
    tensors = {
        k: numpy_helper.from_array(np.array(v, dtype=np.float64), k) for k, v in values.items()
    }
    return columns | tensors | {"n_targets": targets, "aggregate_function": "SUM"}


def number_shape(operator: Any) -> None:
    """The output of a regressor."""
    operator.outputs[0].type = DoubleTensorType([None, 1])


def class_shape(operator: Any) -> None:
    """The outputs of a classifier."""
    classes = len(operator.raw_operator.classes_)
    operator.outputs[0].type = Int64TensorType([None])
    operator.outputs[1].type = DoubleTensorType([None, classes])


def number_converter(attributes: Attributes) -> Callable[[Any, Any, Any], None]:
    """A converter of regressors whose trees ``attributes`` reads off."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        raw = _raw_scores(scope, operator, container, attributes)
        add_node(scope, container, "Identity", [raw], operator.outputs[0].full_name)

    return convert


def class_converter(attributes: Attributes) -> Callable[[Any, Any, Any], None]:
    """A converter of classifiers whose trees ``attributes`` reads off."""

    def convert(scope: Any, operator: Any, container: Any) -> None:
        raw = _raw_scores(scope, operator, container, attributes)
        label, probabilities = (output.full_name for output in operator.outputs)
        named = np.asarray(operator.raw_operator.classes_)
        # Classes that are no whole numbers are answered with their places.
        classes = [int(c) for c in (named if named.dtype.kind in "iub" else range(len(named)))]
        if len(classes) == 2:
            positive, negative, minus = (
                scope.get_unique_variable_name(n) for n in ("positive", "negative", "minus")
            )
            add_node(scope, container, "Sigmoid", [raw], positive)
            add_node(scope, container, "Neg", [raw], minus)
            add_node(scope, container, "Sigmoid", [minus], negative)
            add_node(scope, container, "Concat", [negative, positive], probabilities, axis=1)
        else:
            add_node(scope, container, "Softmax", [raw], probabilities, axis=1)
        index, table = (scope.get_unique_variable_name(n) for n in ("index", "table"))
        container.add_initializer(table, TensorProto.INT64, [len(classes)], classes)
        add_node(scope, container, "ArgMax", [probabilities], index, axis=1, keepdims=0)
        add_node(scope, container, "Gather", [table, index], label)

    return convert


def add_node(
    scope: Any, container: Any, kind: str, inputs: list[str], output: str, **attrs: Any
) -> None:
    """One node of the standard domain."""
    container.add_node(
        kind, inputs, output, name=scope.get_unique_operator_name(kind), op_version=13, **attrs
    )


def _raw_scores(scope: Any, operator: Any, container: Any, attributes: Attributes) -> str:
    single, double = scope.get_unique_variable_name("sum"), scope.get_unique_variable_name("raw")
    container.add_node(
        "TreeEnsembleRegressor",
        operator.inputs[0].full_name,
        single,
        op_domain="ai.onnx.ml",
        op_version=3,
        name=scope.get_unique_operator_name("Trees"),
        **attributes(operator.raw_operator),
    )
    add_node(scope, container, "Cast", [single], double, to=TensorProto.DOUBLE)
    return str(double)
