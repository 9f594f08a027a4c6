"""Images as small numbers."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import Wires

WHITE = 255.0


class Pixels(Transform):
    """Pixels from 0 to 1; a missing image becomes the mean image of training.

    Pixels keep their common scale: dividing each by its own deviation would make much of a corner
    that is nearly always black.

    Attributes
    ----------
    mean_ : the mean image, float64, from 0 to 255; 0 where no image was seen.
    """

    def fit(self, X: np.ndarray, y: Any = None) -> Pixels:
        """Learn the mean of n images, a row each."""
        self.n_features_in_ = self.width_ = X.shape[1]
        seen = ~np.isnan(X)
        total = np.where(seen, X, 0.0).sum(axis=0)
        self.mean_ = total / np.maximum(seen.sum(axis=0), 1)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The images, n by ``width_``."""
        scaled: np.ndarray = np.where(np.isnan(X), self.mean_, X) / WHITE
        return scaled

    def graph(self, X: str, wires: Wires) -> str:
        mean = self.mean_.reshape(1, -1)
        filled = wires.add("Where", wires.add("IsNaN", X), mean, X)
        return wires.add("Div", filled, np.array([WHITE]))
