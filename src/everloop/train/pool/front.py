"""What prepares a family's rows, kept as the graph that is served, so that nothing is pickled."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime

from everloop.train.onnx import transform_graph


class Front:
    """A fitted transform as ONNX: ``X`` (n rows of doubles) in, what the trees read out.

    Attributes
    ----------
    model : the graph's bytes.
    """

    def __init__(self, model: bytes) -> None:
        self.model = model
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            model, options, providers=["CPUExecutionProvider"]
        )

    @classmethod
    def of(cls, transform: Any, width: int) -> Front:
        """Of a fitted transform of ``width`` columns."""
        model = transform_graph(transform, width)
        model.graph.name = "front"  # skl2onnx draws one; the same transform shall be the same bytes
        model.opset_import.sort(key=lambda one: one.domain)
        return cls(model.SerializeToString())

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The rows as the trees read them, float64."""
        found = self._session.run(None, {"X": np.asarray(X, dtype=np.float64)})[0]
        return np.asarray(found, dtype=np.float64)
