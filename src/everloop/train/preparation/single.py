"""Rounding to single precision."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import FLOAT, Wires


class Single(Transform):
    """The same numbers in single precision, in which trees are served."""

    float32 = True

    def fit(self, X: np.ndarray, y: Any = None) -> Single:
        """Learn nothing but the width."""
        self.n_features_in_ = self.width_ = X.shape[1]
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        """``X`` as float32."""
        return X.astype(np.float32)

    def graph(self, X: str, wires: Wires) -> str:
        return wires.add("Cast", X, to=FLOAT)
