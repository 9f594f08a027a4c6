"""The graphs of several models as one graph: the weighted mean of their answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, load_model_from_string, numpy_helper

from everloop.data.schema import Schema
from everloop.train.onnx import exported, same_opsets


def exported_ensemble(members: Sequence[Any], weights: Sequence[float], schema: Schema) -> bytes:
    """One graph from ``X`` to ``y``, or to ``label`` and ``probabilities``.

    Parameters
    ----------
    members : fitted estimators over the same ``X``. weights : of each, their sum 1.
    """
    answer = "y" if schema.numeric else "probabilities"
    graphs = [load_model_from_string(exported(member, schema)) for member in members]
    whole = _entry(schema.width, len(graphs))
    for place, graph in enumerate(graphs):
        whole.ir_version = graph.ir_version = max(whole.ir_version, graph.ir_version)
        same_opsets(whole, graph)
        own = compose.add_prefix(graph, f"member{place}.")
        entry, inner = f"X.{place}", own.graph.input[0].name
        whole = compose.merge_models(whole, own, [(entry, inner)])
    _mean(whole, answer, weights)
    if not schema.numeric:
        _label(whole)
    _answers(whole, schema)
    return bytes(whole.SerializeToString())


def _entry(width: int, count: int) -> ModelProto:
    """A graph that hands ``X`` on to each member under a name of its own."""
    wires = [f"X.{place}" for place in range(count)]
    nodes = [helper.make_node("Identity", ["X"], [wire], name=f"to.{wire}") for wire in wires]
    told = [helper.make_tensor_value_info(w, TensorProto.DOUBLE, ["rows", width]) for w in wires]
    took = [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["rows", width])]
    return helper.make_model(helper.make_graph(nodes, "everloop", took, told))


def _mean(model: ModelProto, answer: str, weights: Sequence[float]) -> None:
    """Add ``Σ wᵢ answerᵢ`` under the name of the answer."""
    parts = []
    for place, weight in enumerate(weights):
        name, part = f"member{place}.weight", f"member{place}.part"
        model.graph.initializer.append(numpy_helper.from_array(np.array(float(weight)), name))
        _add(model, "Mul", [f"member{place}.{answer}", name], part)
        parts.append(part)
    _add(model, "Sum", parts, answer)


def _label(model: ModelProto) -> None:
    """The most probable class; probabilities are in the order of the schema's classes."""
    _add(model, "ArgMax", ["probabilities"], "label", axis=1, keepdims=0)


def _answers(model: ModelProto, schema: Schema) -> None:
    del model.graph.output[:]
    named: list[tuple[str, int, list[Any]]] = [("y", TensorProto.DOUBLE, ["rows"])]
    if not schema.numeric:
        shape = ["rows", len(schema.classes)]
        named = [
            ("label", TensorProto.INT64, ["rows"]),
            ("probabilities", TensorProto.DOUBLE, shape),
        ]
    model.graph.output.extend(helper.make_tensor_value_info(*one) for one in named)


def _add(model: ModelProto, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
    node = helper.make_node(kind, inputs, [output], name=f"mean.{output}", **attributes)
    model.graph.node.append(node)
