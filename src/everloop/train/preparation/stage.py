"""The steps that ``[train.prepare]`` asks for, one after another, as one transform."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from everloop.data.schema import Schema
from everloop.train.preparation._base import Transform
from everloop.train.preparation._step import Step
from everloop.train.preparation._wires import Wires
from everloop.train.preparation.dates import CyclicDates
from everloop.train.preparation.fill import SimpleFill
from everloop.train.preparation.indicator import MissingIndicator
from everloop.train.preparation.isolation import OutlierFlag
from everloop.train.preparation.iterative import IterativeFill
from everloop.train.preparation.knn import NearestFill
from everloop.train.preparation.levels import OneHotLevels, OrdinalLevels
from everloop.train.preparation.rare import RareLevels
from everloop.train.preparation.robust import RobustScale
from everloop.train.preparation.selection import Selection
from everloop.train.preparation.target_encoding import TargetEncoding
from everloop.train.preparation.winsorise import Winsorise
from everloop.train.spec import PrepareSpec


class Stage(Transform):
    """From the matrix of a schema to the prepared matrix of :attr:`schema_`.

    ``drop`` in ``outliers`` leaves rows out of training alone: see :attr:`rows_`.

    Attributes
    ----------
    schema_ : what a candidate sees.
    steps_ : fitted, in order.
    rows_ : which training rows were kept, ascending.
    """

    def __init__(self, spec: PrepareSpec, schema: Schema, seed: int = 0) -> None:
        self.spec, self.schema, self.seed = spec, schema, seed

    def learn(self, X: np.ndarray, y: np.ndarray) -> np.ndarray:
        """Learn from training rows and answer those that are kept, prepared."""
        total = len(X)
        self.rows_ = np.arange(total)
        if self.spec.outliers == "drop":
            finder = OutlierFlag(self.spec.tail)
            finder.learn(X, y, self.schema, self.seed)
            if finder.columns_:
                self.rows_ = np.flatnonzero(~finder.outlying(X))
                X, y = X[self.rows_], y[self.rows_]
        self.dropped_rows_ = total - len(X)
        schema, self.steps_ = self.schema, _steps(self.spec)
        for step in self.steps_:
            X = step.learn(X, y, schema, self.seed)
            schema = step.schema_
        self.schema_, self.width_ = schema, schema.width
        return X

    def fit(self, X: np.ndarray, y: Any = None) -> Stage:
        """As scikit-learn calls it; ``y`` is needed by target encoding and by selection."""
        self.learn(X, y)
        return self

    def transform(self, X: np.ndarray) -> np.ndarray:
        for step in self.steps_:
            X = step.transform(X)
        return X

    def graph(self, X: str, wires: Wires) -> str:
        for step in self.steps_:
            X = step.graph(X, wires)
        return X

    def facts(self) -> dict[str, Any]:
        """What was done, for people and for the report of a cycle."""
        facts: dict[str, Any] = {
            "features": len(self.schema.features),
            "prepared_features": len(self.schema_.features),
            "columns": self.width_,
        }
        if self.dropped_rows_:
            facts["dropped_rows"] = self.dropped_rows_
        for step in self.steps_:
            facts |= step.facts()
        return facts


def build_stage(spec: PrepareSpec, schema: Schema, seed: int) -> Stage | None:
    """The stage that ``spec`` asks for; None when it asks for nothing."""
    asked = msgspec.structs.replace(spec, text=PrepareSpec().text)  # texts are not of its steps
    return None if asked == PrepareSpec() else Stage(spec, schema, seed)


def _steps(spec: PrepareSpec) -> list[Step]:
    steps: list[Step] = []
    if spec.dates == "cyclic":
        steps.append(CyclicDates())
    if spec.rare > 0:
        steps.append(RareLevels(spec.rare))
    if spec.outliers == "flag":
        steps.append(OutlierFlag(spec.tail))
    elif spec.outliers == "winsorise":
        steps.append(Winsorise(spec.tail))
    elif spec.outliers == "robust":
        steps.append(RobustScale())
    if spec.indicator:
        steps.append(MissingIndicator())
    if spec.missing == "knn":
        steps.append(NearestFill())
    elif spec.missing == "iterative":
        steps.append(IterativeFill())
    elif spec.missing != "auto":
        steps.append(SimpleFill(spec.missing))
    if spec.categories != "auto":
        steps.append(
            {"one_hot": OneHotLevels, "ordinal": OrdinalLevels, "target": TargetEncoding}[
                spec.categories
            ]()
        )
    if spec.select or spec.max_features is not None:
        steps.append(Selection(spec.select, spec.max_features))
    return steps
