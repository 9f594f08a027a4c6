"""Extreme numbers, brought back to a bound."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._step import Step, spans
from everloop.train.preparation._wires import Wires


class Winsorise(Step):
    """Numbers below the ``tail`` quantile of training, or above ``1 - tail``, become that quantile
    (Tukey, 1962); NaN stays NaN.

    Attributes
    ----------
    low_, high_ : a bound for each column; infinite for those that are no numbers.
    """

    def __init__(self, tail: float) -> None:
        self.tail = tail

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self.low_, self.high_ = np.full(X.shape[1], -np.inf), np.full(X.shape[1], np.inf)
        for feature, (column, *_) in spans(schema):
            known = X[~np.isnan(X[:, column]), column]
            if feature.kind == "number" and len(known):
                bounds = np.quantile(known, [self.tail, 1.0 - self.tail])
                self.low_[column], self.high_[column] = bounds
        beyond = (self.low_ > X) | (self.high_ < X)
        self.share_ = float(beyond.any(axis=1).mean())
        self._become(schema, schema.features)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.where(self.low_ > X, self.low_, np.where(self.high_ < X, self.high_, X))

    def graph(self, X: str, wires: Wires) -> str:
        low, high = self.low_.reshape(1, -1), self.high_.reshape(1, -1)
        above = wires.add("Greater", X, high)
        capped = wires.add("Where", above, high, X)
        return wires.add("Where", wires.add("Less", X, low), low, capped)

    def facts(self) -> dict[str, Any]:
        return {"winsorised_rows": round(self.share_, 4)}
