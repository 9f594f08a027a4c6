"""Support vector machine."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._by_label import ByLabel
from everloop.train.candidates._sampled import Sampled


@candidates.register("svm")
class SupportVectorMachine(Sampled, ByLabel):
    """``min_w ||w||²/2 + C Σ max(0, 1 - yᵢ f(xᵢ))``, radial kernel (Cortes and Vapnik, 1995).

    Probabilities by Platt (1999). Of more than 4,000 rows a sample is learned from.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.estimators.support_vectors:SupportVectorRegressor",
        "binary": "everloop.train.estimators.support_vectors:SupportVectorClassifier",
        "multiclass": "everloop.train.estimators.support_vectors:SupportVectorClassifier",
    }
    seeded = False

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"C": 1.0, "gamma": 1.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "C": trial.suggest_float("C", 1e-2, 1e2, log=True),
            "gamma": trial.suggest_float("gamma", 1e-2, 10.0, log=True),
        }
