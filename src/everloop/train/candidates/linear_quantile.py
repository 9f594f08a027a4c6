"""Linear quantile regression."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._quantiles import ByQuantile
from everloop.train.fitting import Fitting

MOST_ROWS = 10_000  # the linear program takes time with the square of the rows


@candidates.register("linear_quantile")
class LinearQuantile(ByQuantile):
    """``min_w Σ ρ_τ(yᵢ - wxᵢ - b) / n + alpha ||w||₁``, ``ρ_τ(u) = u (τ - [u < 0])``.

    Koenker and Bassett (1978). Of more than 10,000 rows a sample is learned from.
    """

    estimators: ClassVar[dict[Task, str]] = {"quantile": "sklearn.linear_model:QuantileRegressor"}
    seeded = False

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"solver": "highs"}

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        if len(X) > MOST_ROWS:
            rows = np.random.default_rng(0).choice(len(X), MOST_ROWS, replace=False)
            X, y = X[rows], y[rows]
        estimator.fit(X, y)

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 0.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"alpha": trial.suggest_float("alpha", 1e-6, 1e-1, log=True)}
