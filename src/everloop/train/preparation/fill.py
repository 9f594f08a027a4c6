"""Missing numbers: one value a column in their place."""

from __future__ import annotations

from typing import Literal

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, numeric_columns
from everloop.train.preparation._wires import Wires

How = Literal["median", "mean", "most_frequent"]


class SimpleFill(Step):
    """Median, mean or most frequent value of the training rows in the place of NaN.

    A column that was all NaN gets 0.
    """

    def __init__(self, how: How) -> None:
        self.how = how

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.statistics_ = np.full(X.shape[1], np.nan)
        for column in numeric_columns(schema):
            self.statistics_[column] = _value(X[:, column], self.how)
        self._become(schema, schema.features)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.where(np.isnan(X), self.statistics_, X)

    def graph(self, X: str, wires: Wires) -> str:
        gone = wires.add("IsNaN", X)
        return wires.add("Where", gone, self.statistics_.reshape(1, -1), X)


def _value(x: np.ndarray, how: How) -> float:
    known = x[~np.isnan(x)]
    if not len(known):
        return 0.0
    if how == "most_frequent":
        values, counts = np.unique(known, return_counts=True)
        return float(values[counts.argmax()])
    return float(np.mean(known) if how == "mean" else np.median(known))
