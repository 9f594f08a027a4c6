"""Logistic regression, for two classes or more."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE
from everloop.train.candidates._by_label import ByLabel


@candidates.register("logistic_regression")
class LogisticRegression(ByLabel):
    """``min_w ||w||²/2 + C Σ -log p(yᵢ|xᵢ)`` with ``p = softmax(Xw + b)`` on scaled numbers.

    What ``make_pipeline(StandardScaler(), LogisticRegression()).fit(X, y)`` is.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "binary": "sklearn.linear_model:LogisticRegression",
        "multiclass": "sklearn.linear_model:LogisticRegression",
    }

    weighted = ALIKE

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"max_iter": 1000}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"C": 1.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"C": trial.suggest_float("C", 1e-4, 1e2, log=True)}
