"""Categories as numbers: a column for each level, or the level's place."""

from __future__ import annotations

import msgspec
import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._lookup import Lookup
from everloop.train.preparation._step import Step, number, spans
from everloop.train.preparation._wires import Wires


class OneHotLevels(Lookup):
    """A column of 0 and 1 for each level; all 0 for a missing or unseen one."""

    def table(self, feature: Feature, codes: np.ndarray) -> tuple[np.ndarray, list[Feature]]:
        count = len(feature.levels)
        table = np.concatenate([np.zeros((1, count)), np.eye(count)])
        return table, [number(f"{feature.name} = {level}") for level in feature.levels]


class OrdinalLevels(Step):
    """The level's place, 0 for the most frequent; -1 for a missing or unseen one."""

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        self._become(
            schema,
            [
                msgspec.structs.replace(f, kind="number", levels=()) if f.kind == "category" else f
                for f, _ in spans(schema)
            ],
        )
        return X

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X

    def graph(self, X: str, wires: Wires) -> str:
        return X
