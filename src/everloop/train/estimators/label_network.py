"""A small neural network with an output for each label."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxAdd, OnnxMatMul, OnnxRelu, OnnxSigmoid
from sklearn.neural_network import MLPClassifier

from everloop.train.estimators._base import GraphLabels


class PerceptronLabels(GraphLabels, MLPClassifier):  # type: ignore[misc]
    """``x ↦ sigmoid(W₂ relu(W₁ x + b₁) + b₂)``: scikit-learn's, by the sum of the log losses."""

    def fit(self, X: Any, y: np.ndarray) -> PerceptronLabels:
        """Learn from n rows and their labels, n by k of 0 and 1."""
        super().fit(X, y)
        self.n_labels_ = y.shape[1]
        return self

    def graph(self, X: Any, opset: int) -> Any:
        layers = list(zip(self.coefs_, self.intercepts_, strict=True))
        wire = X
        for place, (weights, offsets) in enumerate(layers):
            summed = OnnxAdd(
                OnnxMatMul(wire, weights, op_version=opset), offsets[None, :], op_version=opset
            )
            last = place + 1 == len(layers)
            wire = (OnnxSigmoid if last else OnnxRelu)(summed, op_version=opset)
        return wire
