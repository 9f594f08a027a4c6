"""What a user's own training function gets, and its model as an estimator like all others."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from everloop.data.schema import Schema
from everloop.errors import InvalidInput, invalid
from everloop.train.loading import load


@dataclass(frozen=True)
class TrainingData:
    """The training rows, as a user's function ``train(data)`` gets them.

    Attributes
    ----------
    X : float64, n by ``schema.width``; see :mod:`everloop.data.schema` for what a column holds.
        Missing numbers are filled with the median, here and when the model is served.
    y : n codes into ``schema.classes`` (int64), or n floats.
    schema : the features, in the order of the columns of ``X``.
    seed : of every random choice.
    groups : for a ranking, which rows belong together; None otherwise.
    """

    X: np.ndarray
    y: np.ndarray
    schema: Schema
    seed: int
    groups: np.ndarray | None = None


class OwnModel:
    """The model that a function returns; its ``predict`` and what the exporter needs."""

    def __init__(self, function: Callable[[TrainingData], Any], schema: Schema, seed: int) -> None:
        self.function, self.schema, self.seed = function, schema, seed

    def fit(self, X: np.ndarray, y: np.ndarray, groups: np.ndarray | None = None) -> OwnModel:
        """Call the function with these rows.

        Raises :class:`~everloop.errors.InvalidInput` when what it returns cannot answer.
        """
        self.filler_ = load("everloop.train.preparation:MissingFiller")().fit(X)
        rows = self.filler_.transform(X)
        model = self.function(TrainingData(rows, y, self.schema, self.seed, groups))
        needed = "predict" if self.schema.numeric else "predict_proba"
        if not hasattr(model, needed):
            raise self._refused(type(model).__name__, f"a model with {needed}")
        self.model_ = model
        self.classes_ = np.asarray(getattr(model, "classes_", np.unique(y)))
        return self

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The model's answers."""
        return np.asarray(self.model_.predict(self.filler_.transform(X)))

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The model's probabilities, in the order of ``classes_``."""
        return np.asarray(self.model_.predict_proba(self.filler_.transform(X)))

    def export_onnx(self, schema: Schema) -> bytes:
        """The graph of the model, by skl2onnx or by its own ``export_onnx``."""
        whole = self.model_
        if not hasattr(whole, "export_onnx"):
            whole = load("sklearn.pipeline:make_pipeline")(self.filler_, whole)
        graph: bytes = load("everloop.train.onnx:exported")(whole, schema)
        return graph

    def _refused(self, got: str, expected: str) -> InvalidInput:
        name = getattr(self.function, "__name__", "train")
        return invalid(f"what {name}(data) returns", got, expected)
