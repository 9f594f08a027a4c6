"""What a transformer of ours is.

A transformer follows scikit-learn: ``fit`` learns attributes that end in ``_`` and returns self,
``transform`` changes nothing. Beside it says itself as an ONNX graph, so that the packaged model
prepares a row as training did. To add one, write a class in a file of its own; the exporter finds
every subclass of :class:`Transform` by itself.

Obligations. ``fit`` sets ``width_``, the columns that ``transform`` returns. ``graph`` takes and
returns a wire of double values (n rows; single precision where ``float32`` is true) and adds its
nodes to ``wires``.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from everloop.train.preparation._wires import Wires


class Transform(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """From a matrix to a matrix of ``width_`` columns, in Python and as an ONNX graph.

    Attributes
    ----------
    float32 : whether it returns single precision.
    width_ : columns it returns.
    """

    float32: bool = False
    width_: int

    def fit(self, X: np.ndarray, y: Any = None) -> Transform:
        """Learn from n rows of float64."""
        raise NotImplementedError

    def transform(self, X: np.ndarray) -> np.ndarray:
        """The n rows prepared, n by ``width_``."""
        raise NotImplementedError

    def graph(self, X: str, wires: Wires) -> str:
        """The wire that carries what :meth:`transform` answers for the wire ``X``."""
        raise NotImplementedError
