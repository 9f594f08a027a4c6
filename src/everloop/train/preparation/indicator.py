"""Columns that say where a value was missing."""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import Step, column_names, numeric_columns
from everloop.train.preparation._wires import DOUBLE, Wires


class MissingIndicator(Step):
    """Beside the features, 1 where a column is NaN; for those columns that had NaN in training."""

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        names = column_names(schema)
        self.columns_ = [c for c in numeric_columns(schema) if np.isnan(X[:, c]).any()]
        made = [Feature(f"{names[c]} missing", "boolean") for c in self.columns_]
        self._become(schema, [*schema.features, *made])
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([X, np.isnan(X[:, self.columns_])]) if self.columns_ else X

    def graph(self, X: str, wires: Wires) -> str:
        if not self.columns_:
            return X
        gone = wires.add("IsNaN", wires.columns(X, self.columns_))
        return wires.beside([X, wires.add("Cast", gone, to=DOUBLE)])

    def facts(self) -> dict[str, Any]:
        return {"indicators": len(self.columns_)} if self.columns_ else {}
