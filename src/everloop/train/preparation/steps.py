"""Sequences on one scale."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import Wires


class ScaledSteps(Transform):
    """Each channel less its mean, over its deviation; steps that are missing become 0, the mean.

    A channel has one mean and one deviation over all steps and rows, so that the shape of a
    sequence stays what it was.

    Parameters
    ----------
    channels : numbers of a step; they lie side by side in the columns.

    Attributes
    ----------
    mean_, scale_ : one value a column, float64, repeated from step to step.
    """

    def __init__(self, channels: int = 1) -> None:
        self.channels = channels

    def fit(self, X: np.ndarray, y: Any = None) -> ScaledSteps:
        """Learn from n sequences, a row each."""
        self.n_features_in_ = self.width_ = X.shape[1]
        values = X.reshape(-1, self.channels)
        seen = ~np.isnan(values)
        count = np.maximum(seen.sum(axis=0), 1)
        mean = np.where(seen, values, 0.0).sum(axis=0) / count
        spread = np.sqrt((np.where(seen, values - mean, 0.0) ** 2).sum(axis=0) / count)
        steps = X.shape[1] // self.channels
        self.mean_ = np.tile(mean, steps)
        self.scale_ = np.tile(np.where(spread > 0, spread, 1.0), steps)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The sequences, n by ``width_``."""
        filled = np.where(np.isnan(X), self.mean_, X)
        scaled: np.ndarray = (filled - self.mean_) / self.scale_
        return scaled

    def graph(self, X: str, wires: Wires) -> str:
        mean, scale = self.mean_.reshape(1, -1), self.scale_.reshape(1, -1)
        filled = wires.add("Where", wires.add("IsNaN", X), mean, X)
        centred = wires.add("Sub", filled, mean)
        return wires.add("Div", centred, scale)
