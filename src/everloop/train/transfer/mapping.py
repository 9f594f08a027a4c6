"""Rows of one schema as rows of another: features find each other by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from everloop.data.schema import Feature, Schema
from everloop.train.preparation._base import Transform
from everloop.train.preparation._wires import INT64, Wires

SIMPLE = ("number", "boolean", "datetime")


class Mapped(Transform):
    """From ``X`` of schema ``source`` to ``X`` of schema ``goal``.

    A feature of the same name and kind is taken over, a category level by level; what the source
    does not have is missing in every row.
    """

    def __init__(self, source: Schema, goal: Schema) -> None:
        self.source, self.goal = source, goal
        self.width_ = goal.width
        self.parts_ = _parts(source, goal)

    def fit(self, X: np.ndarray, y: Any = None) -> Mapped:
        """Nothing is learned."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return np.column_stack([_read(X, columns, table) for columns, table in self.parts_])

    def graph(self, X: str, wires: Wires) -> str:
        parts = []
        for columns, table in self.parts_:
            if columns and table is None:
                parts.append(wires.columns(X, columns))
                continue
            assert table is not None, "what is not copied is looked up"
            column = wires.columns(X, columns or [0])
            if columns:
                row = wires.add("Cast", wires.add("Add", column, np.array([1.0])), to=INT64)
            else:  # missing in every row: the only entry of its table
                row = wires.add("Cast", wires.add("Equal", column, column), to=INT64)
                row = wires.add("Mul", row, np.zeros(1, dtype=np.int64))
            row = wires.add("Reshape", row, np.array([-1], dtype=np.int64))
            parts.append(wires.add("Gather", table[:, None], row, axis=0))
        return wires.beside(parts)


class Extra(Transform):
    """The columns of ``X`` that belong to features of these names alone."""

    def __init__(self, schema: Schema, names: Sequence[str]) -> None:
        self.columns_ = [c for f, cs in spans(schema) if f.name in names for c in cs]
        self.width_ = len(self.columns_)

    def fit(self, X: np.ndarray, y: Any = None) -> Extra:
        """Nothing is learned."""
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        return X[:, self.columns_]

    def graph(self, X: str, wires: Wires) -> str:
        return wires.columns(X, self.columns_)


def spans(schema: Schema) -> list[tuple[Feature, list[int]]]:
    """Each feature with its columns of ``X``."""
    found, at = [], 0
    for feature in schema.features:
        found.append((feature, list(range(at, at + feature.width))))
        at += feature.width
    return found


def same(a: Feature, b: Feature) -> bool:
    """Whether what one feature says can be read as the other."""
    if a.kind != b.kind:
        return False
    if a.kind in SIMPLE or a.kind == "category":
        return True
    return (a.shape, a.levels, a.tokens, a.buckets) == (b.shape, b.levels, b.tokens, b.buckets)


def shared(source: Schema, goal: Schema) -> list[str]:
    """Names of the features that both have."""
    known = {f.name: f for f in source.features}
    return [f.name for f in goal.features if f.name in known and same(known[f.name], f)]


def level_places(source: Feature, goal: Feature) -> list[int]:
    """For each level of ``goal`` its place among those of ``source``, -1 where it has none."""
    places = {level: i for i, level in enumerate(source.levels)}
    return [places.get(level, -1) for level in goal.levels]


_Part = tuple[list[int], np.ndarray | None]


def _parts(source: Schema, goal: Schema) -> list[_Part]:
    """For each column (or block) of the goal: columns to copy, or a column and its table."""
    known = {f.name: (f, columns) for f, columns in spans(source)}
    both = set(shared(source, goal))
    parts: list[_Part] = []
    for feature in goal.features:
        codes = feature.kind == "category" or bool(feature.vocabulary)
        if feature.name not in both:
            parts += [([], np.array([-1.0 if codes else np.nan]))] * feature.width
            continue
        own, columns = known[feature.name]
        if feature.kind != "category":
            parts.append((columns, None))
            continue
        back = {level: i for i, level in enumerate(feature.levels)}
        table = [-1.0, *(float(back.get(level, -1)) for level in own.levels)]
        parts.append((columns, np.array(table)))
    return parts


def _read(X: np.ndarray, columns: list[int], table: np.ndarray | None) -> np.ndarray:
    if table is None:
        return X[:, columns]
    if not columns:
        return np.full((len(X), 1), table[0])
    return table[X[:, columns[0]].astype(np.int64) + 1][:, None]
