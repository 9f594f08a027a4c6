"""One model for each label, side by side in one graph."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.train.estimators._side_by_side import side_by_side
from everloop.train.loading import load


class OneVsRest(BaseEstimator):  # type: ignore[misc]
    """Each label against the rows without it (binary relevance: Tsoumakas and Katakis, 2007).

    Labels are learned as if they were independent; a label that is the same in every training row
    is answered as it was there.

    Parameters
    ----------
    parts : an unfitted pipeline of two classes for each label.
    """

    def __init__(self, parts: tuple[Any, ...]) -> None:
        self.parts = parts

    def fit(self, X: np.ndarray, y: np.ndarray) -> OneVsRest:
        """Learn from n rows and their labels, n by k of 0 and 1."""
        self.always_: list[float | None] = []
        for part, truth in zip(self.parts, y.T, strict=True):
            same = bool(np.all(truth == truth[0]))
            self.always_.append(float(truth[0]) if same else None)
            if not same:
                part.fit(X, truth)
        return self

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Each label's own probability, n by k."""
        return np.column_stack(
            [
                part.predict_proba(X)[:, 1] if always is None else np.full(len(X), always)
                for part, always in zip(self.parts, self.always_, strict=True)
            ]
        )

    def export_onnx(self, schema: Schema) -> bytes:
        """``label`` and ``probabilities``, both n by k."""
        export, add_labels = (load(f"everloop.train.onnx:{n}") for n in ("exported", "add_labels"))
        two = msgspec.structs.replace(schema, task="binary", classes=(0, 1))
        learned = [p for p, a in zip(self.parts, self.always_, strict=True) if a is None]
        # `probabilities` is the second output of a model of two classes.
        model, wires = side_by_side([export(part, two) for part in learned], output=1)
        graph, places = model.graph, [k for k, a in enumerate(self.always_) if a is None]
        # From n by two for each learned label to n by k, and what is always so added.
        pick = np.zeros((2 * len(places), len(self.parts)))
        pick[2 * np.arange(len(places)) + 1, places] = 1.0
        fixed = np.array([[a or 0.0 for a in self.always_]])
        for name, value in {"labels.pick": pick, "labels.fixed": fixed}.items():
            graph.initializer.append(numpy_helper.from_array(value, name))
        graph.node.extend(
            [
                helper.make_node("Concat", wires, ["labels.pairs"], axis=1),
                helper.make_node("MatMul", ["labels.pairs", "labels.pick"], ["labels.learned"]),
                helper.make_node("Add", ["labels.learned", "labels.fixed"], ["probabilities"]),
            ]
        )
        add_labels(model, np.full(len(self.parts), 0.5))
        shape: list[str | int | None] = ["rows", len(self.parts)]
        graph.output.append(
            helper.make_tensor_value_info("probabilities", TensorProto.DOUBLE, shape)
        )
        return bytes(model.SerializeToString())
