"""What a step of preparation is: a transform that keeps a schema with its matrix.

A step turns the matrix of one schema into the matrix of another: a category that became numbers
is a feature of numbers from then on, and a candidate sees nothing else. ``learn`` gets training
rows only; what it returns may differ from ``transform`` of the same rows where a row must not see
its own target (target encoding). A step leaves texts, images and sequences as they are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._base import Transform

NUMERIC_KINDS = frozenset({"number", "boolean", "datetime"})


class Step(Transform):
    """One step.

    Attributes
    ----------
    schema_ : of the matrix that it returns.
    """

    schema_: Schema

    def learn(self, X: np.ndarray, y: np.ndarray, schema: Schema, seed: int) -> np.ndarray:
        """Learn from training rows and answer them prepared."""
        raise NotImplementedError

    def facts(self) -> dict[str, Any]:
        """What it did, for people; empty when it did nothing."""
        return {}

    def _become(self, schema: Schema, features: Sequence[Feature]) -> None:
        self.schema_ = msgspec.structs.replace(schema, features=tuple(features))
        self.width_ = self.schema_.width


def spans(schema: Schema) -> list[tuple[Feature, list[int]]]:
    """Every feature with its columns of ``X``."""
    found, position = [], 0
    for feature in schema.features:
        found.append((feature, list(range(position, position + feature.width))))
        position += feature.width
    return found


def numeric_columns(schema: Schema) -> list[int]:
    """Columns of numbers, booleans and parts of dates."""
    return [c for f, columns in spans(schema) if f.kind in NUMERIC_KINDS for c in columns]


def column_names(schema: Schema) -> list[str]:
    """A name for every column of ``X``."""
    parts = ("month", "weekday", "hour")
    names = []
    for feature, columns in spans(schema):
        if feature.kind == "datetime":
            names += [f"{feature.name} {part}" for part in parts]
        elif len(columns) == 1:
            names.append(feature.name)
        else:
            names += [f"{feature.name} {i}" for i in range(len(columns))]
    return names


def number(name: str) -> Feature:
    """A feature of one number."""
    return Feature(name, "number")


def known_medians(N: np.ndarray) -> np.ndarray:
    """The median of each column without its holes; 0 for a column of holes."""
    known = [column[~np.isnan(column)] for column in N.T]
    return np.array([np.median(column) if len(column) else 0.0 for column in known])
