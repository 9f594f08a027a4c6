"""Foreign ONNX: our inputs and outputs put around a graph that has its own.

The graph becomes the middle of one that takes ``X`` and answers as a schema says; see
:mod:`everloop.train.foreign.inputs` and :mod:`everloop.train.foreign.outputs`.
"""

from __future__ import annotations

from pathlib import Path

import onnxruntime
from onnx import GraphProto, ModelProto

from everloop.data.schema import Schema
from everloop.train.foreign._base import Brought, Hints, not_servable
from everloop.train.foreign.inputs import feed
from everloop.train.foreign.limits import read_graph
from everloop.train.foreign.outputs import answer
from everloop.train.foreign.wires import Around

INSIDE = "model."


def from_onnx(path: Path, hints: Hints) -> Brought:
    """The model of a file of scikit-learn, LightGBM, torch, TensorFlow or whoever writes ONNX.

    The schema comes from the graph's inputs (a column of a matrix is a number ``x0``, ``x1``, …;
    several inputs are features by their names) and outputs, or is the one in ``hints``. Raises
    :class:`~everloop.errors.InvalidInput` when it does not follow from either.
    """
    model = read_graph(path)
    producer = model.producer_name or "onnx"
    return adapted(model, hints, producer if producer.isascii() else "onnx")


def adapted(model: ModelProto, hints: Hints, algorithm: str) -> Brought:
    """A graph that was let in, as it is served."""
    _prefix(model.graph)
    around = Around(model)
    features = feed(around, hints)
    told = answer(around, hints)
    schema = hints.schema or Schema(
        features=features, target=hints.target, task=told.task, classes=told.classes
    )
    data = around.finished().SerializeToString()
    try:
        onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises bare types of its own
        reason = str(error).strip().splitlines()[0][:300]
        raise not_servable("model", reason, "a graph that onnxruntime can run") from None
    return Brought(data, schema, algorithm)


def _prefix(graph: GraphProto) -> None:
    """Give every value another name, so that ours are free; inner graphs see outer values."""
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [INSIDE + name if name else name for name in names]
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.output:
                    _prefix(inner)
    for values in (graph.input, graph.output, graph.initializer, graph.value_info):
        for value in values:
            value.name = INSIDE + value.name
    for sparse in graph.sparse_initializer:
        sparse.values.name = INSIDE + sparse.values.name
