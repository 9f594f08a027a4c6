"""Isolation forest, for anomalies."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate


@candidates.register("isolation_forest")
class IsolationForest(Candidate):
    """``s(x) = 2^(-E[h(x)] / c(ψ))``, h the depth at which random cuts isolate x.

    Liu, Ting and Zhou (2008). Labels, where there are some, only set the share of anomalies.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "anomaly": "everloop.train.estimators.isolation:IsolationForest"
    }
    preparation = "everloop.train.preparation:filled_codes"

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"n_estimators": 100, "max_samples": 256}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "n_estimators": trial.suggest_int("n_estimators", 50, 300),
            "max_samples": trial.suggest_int("max_samples", 64, 1024, log=True),
        }
