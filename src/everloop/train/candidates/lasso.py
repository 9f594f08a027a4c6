"""Least squares with a penalty that makes weights zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE, Candidate, weights_of
from everloop.train.fitting import Fitting


class Shrunk(Candidate):
    """Linear models that are fitted to the scaled target, so that ``alpha`` has no unit.

    ``alpha = 1`` then makes every weight zero or nearly so, in whatever unit the target is.
    """

    scales_target = True

    weighted = ALIKE

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"max_iter": 5_000}

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        middle, spread = float(np.mean(y)), float(np.std(y)) or 1.0
        estimator.fit(X, (y - middle) / spread, **weights_of(estimator, around))
        last = estimator.steps[-1][1]
        last.coef_ = last.coef_ * spread
        last.intercept_ = last.intercept_ * spread + middle


@candidates.register("lasso")
class Lasso(Shrunk):
    """``min_w ||y - Xw - b||² / 2n + alpha ||w||₁`` on scaled values (Tibshirani, 1996)."""

    estimators: ClassVar[dict[Task, str]] = {"regression": "sklearn.linear_model:Lasso"}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 0.01}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"alpha": trial.suggest_float("alpha", 1e-5, 1.0, log=True)}
