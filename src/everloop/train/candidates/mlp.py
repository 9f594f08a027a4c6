"""A small neural network by scikit-learn."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting


@candidates.register("mlp")
class MultilayerPerceptron(Candidate):
    """``x ↦ W₂ relu(W₁ x + b₁) + b₂`` by back-propagation (Rumelhart et al., 1986) with Adam.

    On scaled numbers and one-hot levels. Of more than 10,000 rows, a tenth says when to stop.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "sklearn.neural_network:MLPRegressor",
        "binary": "sklearn.neural_network:MLPClassifier",
        "multiclass": "sklearn.neural_network:MLPClassifier",
        "multilabel": "everloop.train.estimators.label_network:PerceptronLabels",
    }

    scales_target = True

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"max_iter": 200, "n_iter_no_change": 10}

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        last = estimator.steps[-1][1]
        if not hasattr(last, "classes_") and np.issubdtype(y.dtype, np.floating):
            middle, spread = float(np.mean(y)), float(np.std(y)) or 1.0
            estimator.fit(X, (y - middle) / spread)
            last.coefs_[-1] = last.coefs_[-1] * spread  # back in the target's own unit
            last.intercepts_[-1] = last.intercepts_[-1] * spread + middle
        else:
            estimator.fit(X, y)

    def defaults(self, rows: int) -> dict[str, Any]:
        return {
            "hidden_layer_sizes": 100,
            "alpha": 1e-4,
            "learning_rate_init": 1e-3,
            "early_stopping": rows > 10_000,
        }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "hidden_layer_sizes": trial.suggest_int("hidden_layer_sizes", 16, 256, log=True),
            "alpha": trial.suggest_float("alpha", 1e-6, 1e-1, log=True),
            "learning_rate_init": trial.suggest_float("learning_rate_init", 1e-4, 1e-2, log=True),
        }
