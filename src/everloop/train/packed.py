"""A model that exists as a graph alone, as an estimator that others can be put behind."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.errors import invalid
from everloop.train.session import session_of

BATCH = 16_384  # rows at a time
WANTED = {"label", "probabilities"}


class Packed(BaseEstimator):  # type: ignore[misc]
    """A classifier's graph, from ``X`` to ``label`` and ``probabilities``.

    Parameters
    ----------
    data : the bytes of the graph. classes : how many it has.

    Raises :class:`~everloop.errors.InvalidInput` for a graph with other answers.
    """

    def __init__(self, data: bytes, classes: int) -> None:
        self.data, self.classes = data, classes
        self._session = session_of(data)
        found = sorted(output.name for output in self._session.get_outputs())
        if not set(found) >= WANTED:
            raise invalid("model.onnx", found, "a classifier with label and probabilities")

    @property
    def classes_(self) -> np.ndarray:
        return np.arange(self.classes)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """Probabilities, n by k."""
        return self._asked("probabilities", X).astype(np.float64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Codes of classes; of several labels n by k."""
        return self._asked("label", X)

    def export_onnx(self, schema: Schema) -> bytes:
        """The graph as it is."""
        return self.data

    def _asked(self, output: str, X: np.ndarray) -> np.ndarray:
        rows = np.ascontiguousarray(X, dtype=np.float64)
        parts = [
            self._session.run([output], {"X": rows[i : i + BATCH]})[0]
            for i in range(0, max(len(rows), 1), BATCH)
        ]
        return np.concatenate(parts)
