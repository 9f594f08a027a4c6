"""The fitted preparation, kept as the graph that is served, with a model that goes on behind it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, load_model_from_string
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from everloop.data.schema import Feature, Schema
from everloop.train.onnx import exported, joined, transform_graph
from everloop.train.session import session_of

BATCH = 16_384  # rows at a time
PREPARED = "prepared.rows"


class Front:
    """From ``X`` to what the model reads.

    Parameters
    ----------
    data : the graph's bytes. width : columns that it answers.
    """

    def __init__(self, data: bytes, width: int) -> None:
        self.data, self.width = data, width
        self._session = session_of(data)

    @classmethod
    def of(cls, transforms: Sequence[Any], sample: np.ndarray) -> Front:
        """Of fitted transforms, one behind the other; ``sample`` is a row of ``X`` at least."""
        whole = Pipeline([(f"step{i}", t) for i, t in enumerate(transforms)])
        model = transform_graph(whole, sample.shape[1])
        last = model.graph.output[0].name
        model.graph.node.append(helper.make_node("Cast", [last], [PREPARED], to=TensorProto.DOUBLE))
        del model.graph.output[:]
        model.graph.output.append(
            helper.make_tensor_value_info(PREPARED, TensorProto.DOUBLE, ["rows", None])
        )
        model.opset_import.sort(key=lambda one: one.domain)
        made = cls(bytes(model.SerializeToString()), 0)
        made.width = made.transform(sample[:1]).shape[1]
        return made

    def transform(self, X: np.ndarray) -> np.ndarray:
        """n rows prepared, n by ``width``."""
        rows = np.ascontiguousarray(X, dtype=np.float64)
        parts = [
            self._session.run(None, {"X": rows[i : i + BATCH]})[0]
            for i in range(0, max(len(rows), 1), BATCH)
        ]
        return np.concatenate(parts)


class Resumed(BaseEstimator):  # type: ignore[misc]
    """A model that has gone on, behind the preparation that stayed.

    Parameters
    ----------
    front : None where the model reads ``X`` itself. model : fitted, over what ``front`` answers.
    """

    def __init__(self, front: Front | None, model: Any) -> None:
        self.front, self.model = front, model

    @property
    def classes_(self) -> np.ndarray:
        return np.asarray(self.model.classes_)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """n by k in the order of ``classes_``."""
        return np.asarray(self.model.predict_proba(self.read(X)), dtype=np.float64)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """Codes of classes, or numbers."""
        return np.asarray(self.model.predict(self.read(X)))

    def read(self, X: np.ndarray) -> np.ndarray:
        """The rows as the model reads them."""
        return X if self.front is None else self.front.transform(X)

    def export_onnx(self, schema: Schema) -> bytes:
        """Both as one graph."""
        if self.front is None:
            return exported(self.model, schema)
        columns = tuple(Feature(f"p{i}", "number") for i in range(self.front.width))
        inner = msgspec.structs.replace(schema, features=columns)
        own = load_model_from_string(exported(self.model, inner))
        return joined(load_model_from_string(self.front.data), own)
