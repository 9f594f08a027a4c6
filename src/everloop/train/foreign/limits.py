"""Which ONNX graphs are let in: bounded, whole, and of operators that onnxruntime has built in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from google.protobuf.message import DecodeError
from onnx import (
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    external_data_helper,
    load_model_from_string,
)

from everloop.errors import invalid
from everloop.train.foreign._base import bounded, check_size, not_servable, unreadable

MOST_NODES = 100_000
DOMAINS = frozenset({"", "ai.onnx", "ai.onnx.ml", "com.microsoft"})
"""Operators that onnxruntime itself brings."""


def read_graph(path: Path) -> ModelProto:
    """The model in a file, with the data that lies beside it taken in.

    Raises :class:`~everloop.errors.InvalidInput` for one that is none, names data outside of its
    folder, needs operators of others or has more than ``MOST_NODES`` nodes, and
    :class:`~everloop.errors.TooLarge`.
    """
    data = bounded(path)
    try:
        model = load_model_from_string(data)
    except (DecodeError, ValueError) as error:
        raise unreadable("ONNX model", path.name, error) from None
    if not model.HasField("graph") or not model.graph.output:
        raise unreadable("ONNX model", path.name, "it has no graph with outputs")
    _check_nodes(model)
    _take_in(model, path)
    return model


def _check_nodes(model: ModelProto) -> None:
    own = {(f.domain, f.name) for f in model.functions}
    for count, node in enumerate(all_nodes(model), 1):
        if count > MOST_NODES:
            raise not_servable(
                "model.nodes", f"more than {MOST_NODES:,}", f"at most {MOST_NODES:,}"
            )
        if node.domain not in DOMAINS and (node.domain, node.op_type) not in own:
            raise not_servable(
                "model.operator", f"{node.domain}:{node.op_type}", "an operator of ONNX itself",
                "Export without custom operators: a library of operators is never loaded.",
            )  # fmt: skip


def all_nodes(model: ModelProto) -> Iterator[NodeProto]:
    """Every node, at any depth, and those of the model's own functions."""
    waiting: list[NodeProto] = list(model.graph.node)
    for function in model.functions:
        waiting += function.node
    while waiting:
        node = waiting.pop()
        yield node
        for attribute in node.attribute:
            for graph in (attribute.g, *attribute.graphs):
                waiting += graph.node


def _take_in(model: ModelProto, path: Path) -> None:
    outside = [t for t in _tensors(model) if external_data_helper.uses_external_data(t)]
    total = 0
    for tensor in outside:
        total += _checked_place(tensor, path.parent)
        check_size(path.name, total)
    for tensor in outside:
        try:
            external_data_helper.load_external_data_for_tensor(tensor, str(path.parent))
        except Exception as error:  # onnx's checker raises types of its own
            raise unreadable("ONNX model", path.name, error) from None
        tensor.data_location = TensorProto.DEFAULT
        del tensor.external_data[:]


def _checked_place(tensor: TensorProto, folder: Path) -> int:
    """How many bytes a tensor takes from a file beside the model."""
    told = {entry.key: entry.value for entry in tensor.external_data}
    location = told.get("location", "")
    parts = PurePosixPath(location).parts
    plain = bool(parts) and ".." not in parts and parts[0] != "/" and "\\" not in location
    file = folder / location
    inside = plain and file.resolve() == folder.resolve() / location and file.is_file()
    if not inside:
        raise invalid(
            "model.external_data", location[:200],
            "the name of a plain file in the model's own folder", code="external_data",
        )  # fmt: skip
    size = file.stat().st_size
    try:
        first, length = int(told.get("offset", 0)), int(told.get("length", size))
    except ValueError:
        first, length = -1, -1
    if first < 0 or length < 0 or first + length > size:
        raise invalid(
            "model.external_data", f"{location} from {told.get('offset', 0)}",
            f"a part of the file's {size:,} bytes", code="external_data",
        )  # fmt: skip
    return length


def _tensors(model: ModelProto) -> Iterator[TensorProto]:
    graphs: list[GraphProto] = [model.graph]
    for node in all_nodes(model):
        for attribute in node.attribute:
            graphs += [g for g in (attribute.g, *attribute.graphs) if g.node or g.initializer]
            yield from (attribute.t, *attribute.tensors)
            for sparse in (attribute.sparse_tensor, *attribute.sparse_tensors):
                yield from (sparse.values, sparse.indices)
    for graph in graphs:
        yield from graph.initializer
        for sparse in graph.sparse_initializer:
            yield from (sparse.values, sparse.indices)
