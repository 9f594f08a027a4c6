"""A category's code, looked up in a table of numbers."""

from __future__ import annotations

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._step import Step, spans
from everloop.train.preparation._wires import INT64, Wires


class Lookup(Step):
    """Replace categories by rows of tables; the other features come first in what it returns.

    Attributes
    ----------
    tables_ : for each replaced category, levels + 1 rows by its new columns; row 0 is for a
        missing or unseen level.
    columns_, kept_ : columns of ``X`` that are replaced, and that stay.
    """

    def replaced(self, feature: Feature, codes: np.ndarray) -> bool:
        """Whether this category is looked up."""
        return True

    def table(self, feature: Feature, codes: np.ndarray) -> tuple[np.ndarray, list[Feature]]:
        """The table of one category, and the features that its columns become."""
        raise NotImplementedError

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        features: list[Feature] = []
        new: list[Feature] = []
        self.tables_: list[np.ndarray] = []
        self.columns_: list[int] = []
        self.kept_: list[int] = []
        for feature, columns in spans(schema):
            codes = X[:, columns[0]]
            if feature.kind == "category" and self.replaced(feature, codes):
                table, made = self.table(feature, codes)
                self.tables_.append(table)
                self.columns_.append(columns[0])
                new += made
            else:
                features.append(feature)
                self.kept_ += columns
        self._become(schema, features + new)
        return self.transform(X)

    def transform(self, X: np.ndarray) -> np.ndarray:
        if not self.columns_:
            return X
        looked = [
            table[X[:, c].astype(np.int64) + 1]
            for c, table in zip(self.columns_, self.tables_, strict=True)
        ]
        return np.column_stack([X[:, self.kept_], *looked])

    def graph(self, X: str, wires: Wires) -> str:
        if not self.columns_:
            return X
        parts = [wires.columns(X, self.kept_)] if self.kept_ else []
        for column, table in zip(self.columns_, self.tables_, strict=True):
            place = wires.add("Add", wires.columns(X, [column]), np.array([1.0]))
            flat = wires.add("Reshape", place, np.array([-1], dtype=np.int64))
            row = wires.add("Cast", flat, to=INT64)
            parts.append(wires.add("Gather", table, row, axis=0))
        return wires.beside(parts)
