"""Gradient boosted trees by scikit-learn."""

from __future__ import annotations

import os
from typing import Any, ClassVar

import numpy as np
from threadpoolctl import threadpool_limits

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE, weights_of
from everloop.train.candidates._by_label import ByLabel
from everloop.train.candidates._quantiles import ByQuantile
from everloop.train.fitting import Fitting

FEW_ROWS = 20_000  # below this, threads wait for each other longer than they work


@candidates.register("hist_gradient_boosting")
class HistGradientBoosting(ByQuantile, ByLabel):
    """``F ← F + η tree(-∂loss/∂F)`` on histograms of 255 bins (Friedman, 2001; Ke et al., 2017).

    Missing values are native; of more than 10,000 rows, a tenth says when to stop.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "sklearn.ensemble:HistGradientBoostingRegressor",
        "binary": "sklearn.ensemble:HistGradientBoostingClassifier",
        "multiclass": "sklearn.ensemble:HistGradientBoostingClassifier",
        "quantile": "sklearn.ensemble:HistGradientBoostingRegressor",
    }
    weighted = ALIKE
    quantile_arguments: ClassVar[dict[str, Any]] = {"loss": "quantile"}
    preparation = "everloop.train.preparation:dense_codes"

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # as for LightGBM
        return super().build(schema, task, seed, params)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        with threadpool_limits(1 if len(X) < FEW_ROWS else None, user_api="openmp"):
            estimator.fit(X, y, **weights_of(estimator, around))

    def defaults(self, rows: int) -> dict[str, Any]:
        return {
            "max_iter": 100,
            "learning_rate": 0.1,
            "max_leaf_nodes": 31,
            "min_samples_leaf": min(20, max(3, rows // 30)),
            "early_stopping": rows > 10_000,
        }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_iter": trial.suggest_int("max_iter", 50, 400),
            "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
            "max_leaf_nodes": trial.suggest_int("max_leaf_nodes", 7, 127, log=True),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 3, 200, log=True),
            "l2_regularization": trial.suggest_float("l2_regularization", 1e-3, 30.0, log=True),
            "max_features": trial.suggest_float("max_features", 0.4, 1.0),
        }
