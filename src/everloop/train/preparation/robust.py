"""Numbers on a scale that outliers do not stretch."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, spans
from everloop.train.preparation._wires import Wires


class RobustScale(Step):
    """``(x - median) / (third quartile - first quartile)`` of the training rows; NaN stays NaN.

    A column whose quartiles are equal is only centred.
    """

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.center_, self.scale_ = np.zeros(X.shape[1]), np.ones(X.shape[1])
        for feature, (column, *_) in spans(schema):
            known = X[~np.isnan(X[:, column]), column]
            if feature.kind == "number" and len(known):
                first, middle, third = np.quantile(known, [0.25, 0.5, 0.75])
                self.center_[column] = middle
                self.scale_[column] = third - first or 1.0
        self._become(schema, schema.features)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        return (X - self.center_) / self.scale_

    def graph(self, X: str, wires: Wires) -> str:
        centred = wires.add("Sub", X, self.center_.reshape(1, -1))
        return wires.add("Div", centred, self.scale_.reshape(1, -1))
