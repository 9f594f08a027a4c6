"""A pool as one graph: each forest once, its leaves the weighted sum of what its copies say, and
one line, the weighted sum of its copies.

The mixture is linear in the members' scores, and members of a family share their splits, so the
price of an answer does not depend on how many there are.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, compose, helper, load_model_from_string, numpy_helper

from everloop.data.schema import Schema
from everloop.train.lightgbm_onnx import nodes_of
from everloop.train.onnx import OPSET, same_opsets
from everloop.train.pool.forest import Forest
from everloop.train.pool.line import FURTHEST, Line
from everloop.train.pool.links import Binary, Classes
from everloop.train.pool.pool import Pool
from everloop.train.tree_ensembles import ensemble


def exported_pool(pool: Pool, codes: np.ndarray, schema: Schema) -> bytes:
    """From ``X`` to ``y``, or to ``label`` and ``probabilities``."""
    assert pool.mixture is not None, "a pool with a family has a mixture"
    weights, offsets = pool.mixture.coefficients()
    ends = np.cumsum([family.model.members for family in pool.families])
    parts = np.split(weights, ends[:-1])
    whole = _entry(schema.width)
    offset = offsets.copy()
    for place, (family, part) in enumerate(zip(pool.families, parts, strict=True)):
        whole = _with_front(whole, family.front, place)
        if isinstance(family.model, Line):
            _add_line(whole, family.model, part, place)
        else:
            _add_trees(whole, family.model, part, place, pool.link.outputs)
            offset += part.sum() * family.model.bias
    _constant(whole, "offset", offset)
    _add(whole, "Sum", [f"scores.{p}" for p in range(len(parts))] + ["offset"], "scores")
    _answers(whole, pool, codes, schema)
    whole.opset_import.sort(key=lambda one: one.domain)
    return bytes(whole.SerializeToString())


def _entry(width: int) -> ModelProto:
    took = [helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["rows", width])]
    told = [helper.make_tensor_value_info("rows.in", TensorProto.DOUBLE, ["rows", width])]
    graph = helper.make_graph(
        [helper.make_node("Identity", ["X"], ["rows.in"])], "pool", took, told
    )
    imports = [helper.make_opsetid(domain, version) for domain, version in OPSET.items()]
    return helper.make_model(graph, opset_imports=imports)


def _with_front(whole: ModelProto, front: Any, place: int) -> ModelProto:
    """Add what prepares a family's rows; its answer is ``rows.PLACE``."""
    own = load_model_from_string(front.model)
    whole.ir_version = own.ir_version = max(whole.ir_version, own.ir_version)
    same_opsets(whole, own)
    own = compose.add_prefix(own, f"front.{place}.")
    output = own.graph.output[0]
    merged = compose.merge_models(
        whole,
        own,
        [("rows.in", own.graph.input[0].name)],
        outputs=[*(o.name for o in whole.graph.output), output.name],
    )
    _add(merged, "Cast", [output.name], f"rows.{place}", to=TensorProto.DOUBLE)
    return merged


def _add_trees(
    whole: ModelProto, forest: Forest, weights: np.ndarray, place: int, outputs: int
) -> None:
    """Add a family's trees with the leaves that the mixture makes of its copies."""
    values, nodes = weights @ forest.values, nodes_of(forest.booster.dump_model())
    for node in nodes:
        if node.mode == "LEAF":
            node.value = float(values[forest.starts[node.tree] + node.leaf])
    node = helper.make_node(
        "TreeEnsembleRegressor",
        [f"rows.{place}"],
        [f"single.{place}"],
        name=f"trees.{place}",
        domain="ai.onnx.ml",
        **ensemble(nodes, outputs),
    )
    whole.graph.node.append(node)
    _add(whole, "Cast", [f"single.{place}"], f"scores.{place}", to=TensorProto.DOUBLE)


def _add_line(whole: ModelProto, line: Line, weights: np.ndarray, place: int) -> None:
    mixed = np.tensordot(weights, line.weights, 1)
    slopes = np.zeros((line.width, mixed.shape[1]))
    slopes[line.used] = mixed[:-1]
    _constant(whole, "nearest", np.array(-FURTHEST))
    _constant(whole, "furthest", np.array(FURTHEST))
    _constant(whole, f"weights.{place}", slopes)
    _constant(whole, f"level.{place}", mixed[-1])
    _add(whole, "Clip", [f"rows.{place}", "nearest", "furthest"], f"near.{place}")
    _add(whole, "MatMul", [f"near.{place}", f"weights.{place}"], f"sloped.{place}")
    _add(whole, "Add", [f"sloped.{place}", f"level.{place}"], f"scores.{place}")


def _answers(whole: ModelProto, pool: Pool, codes: np.ndarray, schema: Schema) -> None:
    del whole.graph.output[:]
    if schema.numeric:
        _constant(whole, "y.shape", np.array([-1], dtype=np.int64))
        _add(whole, "Reshape", ["scores", "y.shape"], "y")
        _output(whole, "y", TensorProto.DOUBLE, ["rows"])
        return
    complete = len(codes) == len(schema.classes)
    known = "probabilities" if complete else "known"
    if isinstance(pool.link, Binary):
        _add(whole, "Neg", ["scores"], "minus")
        _add(whole, "Sigmoid", ["scores"], "second")
        _add(whole, "Sigmoid", ["minus"], "first")
        _add(whole, "Concat", ["first", "second"], known, axis=1)
    else:
        assert isinstance(pool.link, Classes)
        _add(whole, "Softmax", ["scores"], known, axis=1)
    if not complete:  # a class that was not in the training rows has probability 0
        place = np.zeros((len(codes), len(schema.classes)))
        place[np.arange(len(codes)), codes] = 1.0
        _constant(whole, "place", place)
        _add(whole, "MatMul", [known, "place"], "probabilities")
    _add(whole, "ArgMax", ["probabilities"], "label", axis=1, keepdims=0)
    _output(whole, "label", TensorProto.INT64, ["rows"])
    _output(whole, "probabilities", TensorProto.DOUBLE, ["rows", len(schema.classes)])


def _add(model: ModelProto, kind: str, inputs: list[str], output: str, **attributes: Any) -> None:
    node = helper.make_node(kind, inputs, [output], name=f"pool.{output}", **attributes)
    model.graph.node.append(node)


def _constant(model: ModelProto, name: str, value: np.ndarray) -> None:
    model.graph.initializer.append(numpy_helper.from_array(value, name))


def _output(model: ModelProto, name: str, kind: int, shape: list[str | int]) -> None:
    model.graph.output.append(helper.make_tensor_value_info(name, kind, shape))
