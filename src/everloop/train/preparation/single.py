"""Rounding to single precision."""

from __future__ import annotations

from typing import Any

import numpy as np
from skl2onnx.algebra.onnx_ops import OnnxCast

from everloop.train.preparation._base import Transform

FLOAT = 1  # ONNX's number for single precision


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

    def graph(self, X: Any, opset: int) -> Any:
        return OnnxCast(X, to=FLOAT, op_version=opset)
