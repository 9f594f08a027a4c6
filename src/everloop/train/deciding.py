"""Calibration and threshold as the last nodes of a graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper, load_model_from_string, numpy_helper

from everloop.data.schema import Schema
from everloop.train.calibration import TINY, Calibrated, Map
from everloop.train.label_thresholds import ThresholdedLabels
from everloop.train.onnx import exported
from everloop.train.threshold import Thresholded

CALIBRATION, DECISION = "raw", "undecided"  # what each tail calls the answers in front of it


class _Tail:
    """A graph whose answers are renamed, so that new nodes can give the old names."""

    def __init__(self, data: bytes, prefix: str) -> None:
        self.model: ModelProto = load_model_from_string(data)
        self.prefix, self.count = prefix, 0
        self.outputs = {o.name: f"{prefix}.{o.name}" for o in self.model.graph.output}
        for node in self.model.graph.node:
            for wires in (node.input, node.output):
                wires[:] = [self.outputs.get(wire, wire) for wire in wires]

    def add(self, kind: str, *inputs: str | np.ndarray, name: str = "", **attributes: Any) -> str:
        """A node, and the wire it answers on."""
        self.count += 1
        made = name or f"{self.prefix}.{kind}.{self.count}"
        wires = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        node = helper.make_node(
            kind, wires, [made], name=f"{self.prefix}.node.{self.count}", **attributes
        )
        self.model.graph.node.append(node)
        return made

    def _constant(self, value: np.ndarray) -> str:
        self.count += 1
        name = f"{self.prefix}.constant.{self.count}"
        self.model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def bytes(self) -> bytes:
        return bytes(self.model.SerializeToString())


def exported_calibrated(model: Calibrated, schema: Schema) -> bytes:
    """The graph of the estimator, its probabilities through the maps, the label by the greatest."""
    tail = _Tail(exported(model.estimator, schema), CALIBRATION)
    raw, count = tail.outputs["probabilities"], len(schema.classes)
    seen = model.classes_.astype(np.int64)
    columns = [tail.add("Gather", raw, np.array([k], dtype=np.int64), axis=1) for k in seen]
    if len(columns) == 2:
        second = _mapped(tail, columns[1], model.maps[0])
        known = [tail.add("Sub", np.ones((1, 1)), second), second]
        beside = tail.add("Concat", *known, axis=1)
    else:
        parts = [_mapped(tail, c, m) for c, m in zip(columns, model.maps, strict=True)]
        joined = tail.add("Add", tail.add("Concat", *parts, axis=1), np.array([[TINY]]))
        total = tail.add("MatMul", joined, np.ones((len(parts), 1)))
        beside = tail.add("Div", joined, total)
    place = np.zeros((len(seen), count))
    place[np.arange(len(seen)), seen] = 1.0
    tail.add("MatMul", beside, place, name="probabilities")
    position = tail.add("ArgMax", beside, axis=1, keepdims=0)
    tail.add("Gather", seen, position, name="label")
    return tail.bytes()


def exported_thresholded(model: Thresholded, schema: Schema) -> bytes:
    """The graph of the estimator with the label decided by the threshold."""
    tail = _Tail(exported(model.estimator, schema), DECISION)
    tail.add("Identity", tail.outputs["probabilities"], name="probabilities")
    one = tail.add("Gather", "probabilities", np.array(1, dtype=np.int64), axis=1)
    over = tail.add("Not", tail.add("Less", one, np.array([model.threshold])))
    tail.add("Cast", over, name="label", to=TensorProto.INT64)
    return tail.bytes()


def exported_thresholds(model: ThresholdedLabels, schema: Schema) -> bytes:
    """The graph of the estimator with each label decided by its threshold."""
    tail = _Tail(exported(model.estimator, schema), DECISION)
    tail.add("Identity", tail.outputs["probabilities"], name="probabilities")
    below = tail.add("Less", "probabilities", np.asarray(model.thresholds)[None, :])
    tail.add("Cast", tail.add("Not", below), name="label", to=TensorProto.INT64)
    return tail.bytes()


def _mapped(tail: _Tail, score: str, one: Map) -> str:
    """A column of scores through its map."""
    if not len(one.x):
        low, high = np.array([[TINY]]), np.array([[1.0 - TINY]])
        p = tail.add("Min", tail.add("Max", score, low), high)
        other = tail.add("Sub", np.ones((1, 1)), p)
        logit = tail.add("Sub", tail.add("Log", p), tail.add("Log", other))
        line = tail.add("Mul", logit, np.array([[one.a]]))
        return tail.add("Sigmoid", tail.add("Add", line, np.array([[one.b]])))
    # Piecewise linear: the first value, and of each piece as much as lies below the score.
    start, width = one.x[None, :-1], np.diff(one.x)[None, :]
    slope = np.diff(one.p)[:, None] / np.diff(one.x)[:, None]
    within = tail.add("Max", tail.add("Sub", score, start), np.zeros((1, 1)))
    covered = tail.add("Min", within, width)
    rise = tail.add("MatMul", covered, slope)
    return tail.add("Add", rise, np.array([[one.p[0]]]))


def without_tails(data: bytes, *tails: str) -> bytes:
    """A graph without its threshold (``DECISION``), and the calibration behind that.

    A tail that the graph does not end with stays: it has none, or lies inside another graph.
    """
    model: ModelProto = load_model_from_string(data)
    for tail in tails:
        _cut(model, tail)
    return bytes(model.SerializeToString())


def _cut(model: ModelProto, tail: str) -> None:
    graph, names = model.graph, {output.name for output in model.graph.output}
    before = {f"{tail}.{name}": name for name in names}
    if not any(wire in before for node in graph.node for wire in node.output):
        return
    kept = [node for node in graph.node if not node.name.startswith(f"{tail}.node.")]
    constants = [c for c in graph.initializer if not c.name.startswith(f"{tail}.constant.")]
    for node in kept:
        for wires in (node.input, node.output):
            wires[:] = [before.get(wire, wire) for wire in wires]
    del graph.node[:], graph.initializer[:]
    graph.node.extend(kept)
    graph.initializer.extend(constants)
