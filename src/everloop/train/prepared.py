"""Training rows as ``[train.prepare]`` wants them, and an estimator that prepares by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.pipeline import Pipeline

from everloop.data.schema import Schema
from everloop.train.fitting import Fitting
from everloop.train.preparation.stage import build_stage
from everloop.train.spec import PrepareSpec


class Prepared:
    """Rows that a candidate is fitted on; prepared once, for all candidates and trials.

    Attributes
    ----------
    X, y : the rows, prepared; those that were dropped as outliers are not among them.
    schema : of ``X``: what a candidate is built over.
    rows : which of the given rows they are.
    facts : what was done, for the report; empty when nothing was asked for.
    """

    def __init__(
        self, X: np.ndarray, y: np.ndarray, schema: Schema, spec: PrepareSpec, seed: int
    ) -> None:
        self._stage = build_stage(spec, schema, seed)
        self.X, self.y, self.schema = X, y, schema
        self.rows: np.ndarray | slice = slice(None)
        self.facts: dict[str, Any] = {}
        if self._stage is not None:
            self.X = self._stage.learn(X, y)
            self.rows, self.schema = self._stage.rows_, self._stage.schema_
            self.y, self.facts = y[self.rows], self._stage.facts()

    def around(self, fitting: Fitting) -> Fitting:
        """The surroundings of a fit on all given rows, for the fit on these."""
        if self._stage is None:
            return fitting
        validation = fitting.validation
        if validation is not None:
            validation = (self._stage.transform(validation[0]), validation[1])
        groups = None if fitting.groups is None else fitting.groups[self.rows]
        weights = None if fitting.weights is None else fitting.weights[self.rows]
        return replace(fitting, validation=validation, groups=groups, weights=weights)

    def whole(self, estimator: Any) -> Any:
        """``estimator``, fitted on the prepared rows, as one over rows as they come."""
        return estimator if self._stage is None else behind(self._stage, "prepare", estimator)


def behind(stage: Any, name: str, estimator: Any) -> Any:
    """A fitted estimator over what ``stage`` answers, as one over what ``stage`` takes."""
    if hasattr(estimator, "export_onnx"):
        return Behind(stage, estimator)
    steps = estimator.steps if isinstance(estimator, Pipeline) else [("model", estimator)]
    return Pipeline([(name, stage), *steps])


class Behind(BaseEstimator):  # type: ignore[misc]
    """An estimator with an ONNX graph of its own, behind a stage of preparation."""

    def __init__(self, stage: Any, estimator: Any) -> None:
        self.stage, self.estimator = stage, estimator

    def __getattr__(self, name: str) -> Any:
        """What it does not do itself, the estimator does (``classes_``, ``quantiles``)."""
        if name.startswith("__") or "estimator" not in self.__dict__:
            raise AttributeError(name)
        found = getattr(self.estimator, name)
        if not name.startswith("predict"):
            return found
        return lambda X, *more: found(self.stage.transform(X), *more)

    def export_onnx(self, schema: Schema) -> bytes:
        """Both graphs as one."""
        # Exporting is heavy to import and needed once.
        from everloop.train.onnx import exported_behind  # noqa: PLC0415

        return exported_behind(self.stage, self.estimator, schema)
