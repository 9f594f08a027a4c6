"""One model for each quantile, side by side in one graph."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.train.estimators._side_by_side import side_by_side
from everloop.train.loading import load


class Quantiles(BaseEstimator):  # type: ignore[misc]
    """Quantiles in ascending order; where models cross, their answers are sorted.

    Sorting never makes a quantile worse (Chernozhukov, Fernández-Val and Galichon, 2010).

    Parameters
    ----------
    parts : an unfitted pipeline for each quantile.
    """

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts

    def fit(self, X: np.ndarray, y: np.ndarray) -> Quantiles:
        """Fit every part to the same rows."""
        for part in self.parts:
            part.fit(X, y)
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """n by q, ascending in each row."""
        answers = [np.asarray(part.predict(X), dtype=np.float64).ravel() for part in self.parts]
        return np.sort(np.column_stack(answers), axis=1)

    def export_onnx(self, schema: Schema) -> bytes:
        """``y``, the middle one, and ``quantiles``."""
        single = Schema(schema.features, schema.target, "regression")
        export = load("everloop.train.onnx:exported")
        model, outputs = side_by_side([export(part, single) for part in self.parts])
        graph, count = model.graph, len(self.parts)
        rows = []
        for name in outputs:
            rows.append(f"{name}.column")
            graph.node.append(helper.make_node("Unsqueeze", [name, "one"], rows[-1:]))
        constants = {"one": [1], "count": [count], "middle": [count // 2]}
        for name, value in constants.items():
            graph.initializer.append(numpy_helper.from_array(np.array(value, np.int64), name))
        graph.node.extend(
            [
                helper.make_node("Concat", rows, ["unsorted"], axis=1),
                helper.make_node(
                    "TopK", ["unsorted", "count"], ["quantiles", "order"], axis=1, largest=0
                ),
                helper.make_node("Gather", ["quantiles", "middle"], ["y.column"], axis=1),
                helper.make_node("Squeeze", ["y.column", "one"], ["y"]),
            ]
        )
        double = TensorProto.DOUBLE
        graph.output.append(helper.make_tensor_value_info("y", double, ["rows"]))
        graph.output.append(helper.make_tensor_value_info("quantiles", double, ["rows", count]))
        return bytes(model.SerializeToString())
