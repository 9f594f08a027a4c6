"""A graph that grows at both ends."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper, version_converter

from everloop.train.foreign._base import not_servable

OPSET = 13  # since when Softmax and Slice are what our own nodes mean


class Around:
    """Nodes before and after the graph of ``model``, which is changed in place.

    ``before`` : whether nodes go in front of the graph now.
    """

    def __init__(self, model: ModelProto) -> None:
        self.model = _of_our_opset(model)
        self.graph = self.model.graph
        self.before = True
        self._first: list[NodeProto] = []
        self._last: list[NodeProto] = []
        self._outputs: list[Any] = []
        self._count = 0

    def node(self, kind: str, inputs: list[str], output: str | None = None, **attrs: Any) -> str:
        """Add a node with one output; returns that."""
        self._count += 1
        name = output or f"everloop.{self._count}"
        made = helper.make_node(kind, inputs, [name], name=f"everloop.node.{self._count}", **attrs)
        (self._first if self.before else self._last).append(made)
        return name

    def constant(self, value: Any) -> str:
        """A constant tensor; returns its name."""
        self._count += 1
        name = f"everloop.constant.{self._count}"
        self.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def cast(self, value: str, kind: int, output: str | None = None) -> str:
        return self.node("Cast", [value], output, to=kind)

    def columns(self, value: str, first: int, end: int) -> str:
        """Columns ``first`` to before ``end`` of a matrix."""
        bounds = [self.constant(np.array([v], dtype=np.int64)) for v in (first, end, 1)]
        return self.node("Slice", [value, *bounds])

    def reshape(self, value: str, shape: list[int], output: str | None = None) -> str:
        return self.node("Reshape", [value, self.constant(np.array(shape, np.int64))], output)

    def takes(self, width: int) -> None:
        """Declare ``X``, n by ``width``."""
        shape: list[str | int] = ["rows", width]
        self.graph.input.append(helper.make_tensor_value_info("X", TensorProto.DOUBLE, shape))

    def gives(self, name: str, kind: int, shape: list[str | int]) -> None:
        """Declare an output of the whole."""
        self._outputs.append(helper.make_tensor_value_info(name, kind, shape))

    def probed(self, width: int) -> dict[str, Any]:
        """What the graph's own outputs are for two rows of zeros."""
        trial = ModelProto()
        trial.CopyFrom(self.model)
        nodes = [*self._first, *trial.graph.node]
        del trial.graph.node[:]
        trial.graph.node.extend(nodes)
        _take_x_alone(trial)
        try:
            session = onnxruntime.InferenceSession(
                trial.SerializeToString(), providers=["CPUExecutionProvider"]
            )
            values = session.run(None, {"X": np.zeros((2, width))})
        except Exception as error:  # onnxruntime raises bare types of its own
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:300]
            raise not_servable(
                "model", reason, "a graph that answers two rows of zeros",
                "Export it with a free first dimension (the rows), and pin its schema if the "
                "inputs are not plain numbers.",
            ) from None  # fmt: skip
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, values, strict=True))

    def finished(self) -> ModelProto:
        """The whole, which takes ``X`` alone."""
        graph = self.graph
        nodes = [*self._first, *graph.node, *self._last]
        del graph.output[:], graph.node[:], graph.value_info[:]
        graph.output.extend(self._outputs)
        graph.node.extend(nodes)
        _take_x_alone(self.model)
        return self.model


def _take_x_alone(model: ModelProto) -> None:
    known = {tensor.name for tensor in model.graph.initializer}
    kept = [i for i in model.graph.input if i.name == "X" or i.name in known]
    del model.graph.input[:]
    model.graph.input.extend(kept)


def _of_our_opset(model: ModelProto) -> ModelProto:
    """The model with standard operators of a version that our own nodes mean."""
    for opset in model.opset_import:
        if opset.domain in ("", "ai.onnx"):
            if opset.version >= OPSET:
                return model
            try:
                return version_converter.convert_version(model, OPSET)
            except Exception:  # its checker raises types of its own
                raise not_servable(
                    "model.opset", opset.version, f"at least {OPSET}", "Export it again."
                ) from None
    model.opset_import.append(helper.make_opsetid("", 18))
    return model
