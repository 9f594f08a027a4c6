"""Least squares with a penalty that makes weights zero."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting


class Shrunk(Candidate):
    """Linear models whose ``alpha`` is given in standard deviations of the target.

    On scaled numbers, ``alpha = 1`` then makes every weight zero or nearly so, in whatever unit
    the target is.
    """

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"max_iter": 5_000}

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        last = estimator.steps[-1][1]
        last.set_params(alpha=last.alpha * (float(np.std(y)) or 1.0))
        estimator.fit(X, y)


@candidates.register("lasso")
class Lasso(Shrunk):
    """``min_w ||y - Xw - b||² / 2n + alpha ||w||₁`` on scaled numbers (Tibshirani, 1996)."""

    estimators: ClassVar[dict[Task, str]] = {"regression": "sklearn.linear_model:Lasso"}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 0.01}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"alpha": trial.suggest_float("alpha", 1e-5, 1.0, log=True)}
