"""Several ONNX models as one that answers as each of them does, from the same input.

The graphs stand side by side in one file: each name in the model at place ``i`` gets ``i.`` in
front, but for that of the shared input. The package ``onnx`` is not asked: a process that answers
predictions has none. https://onnx.ai/onnx/repo-docs/IR.html
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from everloop.deploy.wire import messages

# Of onnx.proto3: the fields that hold names of values, or would need more than a new name.
_ONNX = messages(
    "everloop_onnx",
    {
        "Value": "string name 1",
        "Tensor": "string name 8",
        "Attribute": "bytes graph 6; repeated bytes graphs 11",
        "Node": (
            "repeated string input 1; repeated string output 2; string name 3; "
            "repeated Attribute attribute 5"
        ),
        "Graph": (
            "repeated Node node 1; string name 2; repeated Tensor initializer 5; "
            "repeated Value input 11; repeated Value output 12; repeated Value value_info 13; "
            "repeated bytes quantization 14; repeated bytes sparse 15"
        ),
        "Operators": "string domain 1; int64 version 2",
        "Model": (
            "int64 ir_version 1; Graph graph 7; repeated Operators opset_import 8; "
            "repeated bytes functions 25"
        ),
    },
)


def joined(models: Sequence[bytes], shared: str) -> bytes | None:
    """The models as one, each with the single input ``shared``; None where they cannot be.

    That is so where they need other versions of an operator, or hold a graph within a graph,
    functions, or sparse or quantized weights.
    """
    parts = [_ONNX["Model"].FromString(model) for model in models]
    operators: dict[str, int] = {}
    for part in parts:
        for one in part.opset_import:
            domain = "" if one.domain == "ai.onnx" else one.domain  # two names of one
            if operators.setdefault(domain, one.version) != one.version:
                return None
    if not all(map(_plain, parts)):
        return None
    for place, part in enumerate(parts):
        _rename(part.graph, f"{place}.", shared)
    whole, *others = parts
    whole.ir_version = max(part.ir_version for part in parts)
    for part in others:
        whole.graph.node.extend(part.graph.node)
        whole.graph.initializer.extend(part.graph.initializer)
        whole.graph.output.extend(part.graph.output)
    del whole.opset_import[:]
    for domain, version in operators.items():
        whole.opset_import.add(domain=domain, version=version)
    return bytes(whole.SerializeToString())


def _plain(model: Any) -> bool:
    graph = model.graph
    within = (a.graph or a.graphs for node in graph.node for a in node.attribute)
    return not (model.functions or graph.quantization or graph.sparse or any(within))


def _rename(graph: Any, front: str, shared: str) -> None:
    def own(names: Any) -> list[str]:
        return [name if name in ("", shared) else front + name for name in names]

    for node in graph.node:
        node.name = front + node.name
        node.input[:], node.output[:] = own(node.input), own(node.output)
    for value in (*graph.initializer, *graph.output):
        value.name = front + value.name
    del graph.value_info[:]  # onnxruntime finds the types of inner values by itself
