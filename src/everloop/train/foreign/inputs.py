"""From ``X`` to the inputs of a foreign graph, whatever their names, types and shapes.

=====================  =========================================================================
input                  takes
=====================  =========================================================================
n by k numbers         k features, or those of the schema that are as wide together
n, or n by 1           one feature of the input's name
n by steps by c        a sequence
n by c by h by w       an image, channels first (c is 1, 3 or 4); n by h by w by c, channels last
text                   categories: the level's text, empty for an unseen one
=====================  =========================================================================

A missing value is NaN, and 0 or false where the input is of whole numbers or truth values.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np
from onnx import TensorProto, ValueInfoProto, helper

from everloop.data.schema import Feature
from everloop.train.foreign._base import Hints, feature_names, not_servable, numbers
from everloop.train.foreign.limits import all_nodes
from everloop.train.foreign.wires import Around

_FLOATS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}
_WHOLE = {
    TensorProto.INT64, TensorProto.INT32, TensorProto.INT16, TensorProto.INT8,
    TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64,
}  # fmt: skip
_KNOWN_LEVELS = {"OneHotEncoder": "cats_strings", "LabelEncoder": "keys_strings"}
_CHANNELS = (1, 3, 4)


class Input(NamedTuple):
    """An input of the graph: ``dims`` are those after the rows, None where free."""

    value: str
    name: str
    type: int
    dims: tuple[int | None, ...]

    @property
    def width(self) -> int | None:
        return None if None in self.dims else prod(d for d in self.dims if d)

    @property
    def channels_first(self) -> bool:
        return len(self.dims) == 3 and self.dims[0] in _CHANNELS


def feed(around: Around, hints: Hints) -> tuple[Feature, ...]:
    """Connect ``X`` with every input; returns the features that ``X`` holds."""
    known = {tensor.name for tensor in around.graph.initializer}
    inputs = [_input(value) for value in around.graph.input if value.name not in known]
    if not inputs:
        raise not_servable("model.inputs", "none", "one input at least")
    groups = _divided(inputs, around, hints)
    features = [f for group in groups for f in group]
    if hints.schema is not None:
        features = list(hints.schema.features)
    places, first = {}, 0
    for feature in features:
        places[feature.name] = first
        first += feature.width
    around.takes(first)
    for entry, group in zip(inputs, groups, strict=True):
        _connect(around, entry, group, places[group[0].name])
    return tuple(features)


def _input(value: ValueInfoProto) -> Input:
    name = value.name.partition(".")[2]
    kind = value.type.tensor_type
    allowed = {*_FLOATS, *_WHOLE, TensorProto.BOOL, TensorProto.STRING}
    if not value.type.HasField("tensor_type") or kind.elem_type not in allowed:
        raise not_servable(f"model.inputs.{name}", str(value.type)[:60], "a tensor")
    dims = [d.dim_value if d.HasField("dim_value") else None for d in kind.shape.dim]
    if not dims or len(dims) > 4:
        raise not_servable(f"model.inputs.{name}.shape", dims, "1 to 4 dimensions, rows first")
    if dims[0]:
        raise not_servable(
            f"model.inputs.{name}.shape", dims, "a free first dimension: the rows",
            "Export with a dynamic batch axis.",
        )  # fmt: skip
    return Input(value.name, name, kind.elem_type, tuple(d or None for d in dims[1:]))


def _divided(inputs: list[Input], around: Around, hints: Hints) -> list[list[Feature]]:
    """The features of each input, neighbours in ``X``."""
    if hints.schema is None:
        if len(inputs) == 1:
            return [_alone(inputs[0], around, hints)]
        return [_by_name(entry, around) for entry in inputs]
    by_name = {f.name: f for f in hints.schema.features}
    if {entry.name for entry in inputs} == set(by_name):
        return [[by_name[entry.name]] for entry in inputs]
    left, groups = list(hints.schema.features), []
    for entry in inputs:
        group: list[Feature] = []
        width = entry.width or sum(f.width for f in left)
        while left and sum(f.width for f in group) < width:
            group.append(left.pop(0))
        if sum(f.width for f in group) != width:
            raise _no_fit(entry, sum(f.width for f in group), width)
        groups.append(group)
    if left:
        raise not_servable("schema.features", left[0].name, "no feature beyond the model's inputs")
    return groups


def _no_fit(entry: Input, got: int, width: int) -> Exception:
    return not_servable(
        "schema.features", f"{got} columns for input {entry.name!r}", f"{width} of them"
    )


def _alone(entry: Input, around: Around, hints: Hints) -> list[Feature]:
    if len(entry.dims) < 2 and entry.type != TensorProto.STRING:
        width = entry.width or len(hints.features)
        if not width:
            raise not_servable(
                f"model.inputs.{entry.name}.shape", "a free width", "a fixed one",
                "Name the columns with --features, or pin a schema.",
            )  # fmt: skip
        if not entry.dims:
            return list(numbers([entry.name]))
        return list(numbers(feature_names(hints, width)))
    return _by_name(entry, around)


def _by_name(entry: Input, around: Around) -> list[Feature]:
    name, width = entry.name, entry.width
    if width is None:
        raise not_servable(
            f"model.inputs.{name}.shape", [None, *entry.dims], "fixed dimensions after the rows",
            "Pin a schema with --schema.",
        )  # fmt: skip
    if len(entry.dims) == 2:
        return [Feature(name, "sequence", shape=tuple(d or 0 for d in entry.dims), nullable=True)]
    if len(entry.dims) == 3:
        one, two, three = (d or 0 for d in entry.dims)
        shape = (two, three, one) if entry.channels_first else (one, two, three)
        return [Feature(name, "image", shape=shape)]
    if entry.type == TensorProto.STRING:
        return [_category(entry, around)]
    if entry.type == TensorProto.BOOL and width == 1:
        return [Feature(name, "boolean", nullable=True)]
    return list(numbers([name] if width == 1 else [f"{name}_{i}" for i in range(width)]))


def _category(entry: Input, around: Around) -> Feature:
    """The levels stand in the operator that reads the text."""
    for node in all_nodes(around.model):
        if entry.value in node.input and node.op_type in _KNOWN_LEVELS and entry.width == 1:
            found = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            levels = [v.decode() for v in found.get(_KNOWN_LEVELS[node.op_type], [])]
            if levels:
                return Feature(entry.name, "category", tuple(levels), nullable=True)
    raise not_servable(
        f"model.inputs.{entry.name}", "text", "text whose levels the graph tells",
        "Pin a schema with --schema that names the levels.",
    )  # fmt: skip


def _connect(around: Around, entry: Input, group: list[Feature], first: int) -> None:
    width = sum(f.width for f in group)
    if entry.width not in (None, width):
        raise _no_fit(entry, width, entry.width or 0)
    if entry.type == TensorProto.STRING:
        value = _texts(around, entry, group, first)
    else:
        value = _numbers(around, entry.type, around.columns("X", first, first + width))
    if len(entry.dims) == 0:
        value = around.reshape(value, [-1])
    elif len(entry.dims) > 1:
        dims = [d or 0 for d in entry.dims]
        if entry.channels_first and group[0].kind == "image":
            value = around.reshape(value, [-1, dims[1], dims[2], dims[0]])
            value = around.node("Transpose", [value], perm=[0, 3, 1, 2])
        else:
            value = around.reshape(value, [-1, *dims])
    around.node("Identity", [value], entry.value)


def _numbers(around: Around, kind: int, value: str) -> str:
    if kind not in _FLOATS:
        zero = around.constant(np.float64(0.0))
        value = around.node("Where", [around.node("IsNaN", [value]), zero, value])
    return around.cast(value, kind)


def _texts(around: Around, entry: Input, group: list[Feature], first: int) -> str:
    columns = []
    for place, feature in enumerate(group, first):
        if feature.kind != "category":
            raise not_servable(f"schema.{feature.name}", feature.kind, "a category: it is text")
        table = around.constant(np.array([*feature.levels, ""], dtype=object))
        code = around.cast(around.columns("X", place, place + 1), TensorProto.INT64)
        # An unseen level is -1, which Gather takes as the last one: the empty text.
        columns.append(around.node("Gather", [table, code]))
    return columns[0] if len(columns) == 1 else around.node("Concat", columns, axis=1)
