"""Writing a graph node by node; a wire is a name and may be read as often as one likes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from onnx import TensorProto, numpy_helper

INT64, FLOAT, DOUBLE = TensorProto.INT64, TensorProto.FLOAT, TensorProto.DOUBLE


class Wires:
    """Where a transform puts the nodes of its graph.

    ``scope`` and ``container`` are those that skl2onnx gives a converter.
    """

    def __init__(self, scope: Any, container: Any) -> None:
        self._scope, self._container = scope, container

    def add(self, kind: str, *inputs: str | np.ndarray, outputs: int = 1, **attributes: Any) -> str:
        """The wire (the first of ``outputs``) that a node of ``kind`` answers on, see
        :meth:`several`."""
        return self.several(kind, *inputs, outputs=outputs, **attributes)[0]

    def several(
        self, kind: str, *inputs: str | np.ndarray, outputs: int, **attributes: Any
    ) -> list[str]:
        """The wires that a node of ``kind`` answers on.

        An array among ``inputs`` becomes a constant of its own type and shape. ``domain`` is
        ``"ai.onnx.ml"`` for operators of machine learning.
        """
        names = [i if isinstance(i, str) else self._constant(i) for i in inputs]
        made = [self._scope.get_unique_variable_name(f"prepare.{kind}") for _ in range(outputs)]
        domain = attributes.pop("domain", "")
        version = self._container.target_opset_any_domain(domain)
        self._container.add_node(
            kind,
            names,
            made,
            op_domain=domain,
            op_version=version,
            name=self._scope.get_unique_operator_name(kind),
            **attributes,
        )
        return [str(name) for name in made]

    def columns(self, X: str, columns: Sequence[int] | np.ndarray) -> str:
        """Some columns of a wire."""
        return self.add("Gather", X, np.asarray(columns, dtype=np.int64), axis=1)

    def beside(self, parts: Sequence[str]) -> str:
        """Wires side by side."""
        return parts[0] if len(parts) == 1 else self.add("Concat", *parts, axis=1)

    def double(self, wire: str) -> str:
        """A wire in double precision."""
        return self.add("Cast", wire, to=DOUBLE)

    def _constant(self, value: np.ndarray) -> str:
        name = str(self._scope.get_unique_variable_name("prepare.constant"))
        tensor = numpy_helper.from_array(value)
        self._container.add_initializer(name, tensor.data_type, value.shape, tensor)
        return name
