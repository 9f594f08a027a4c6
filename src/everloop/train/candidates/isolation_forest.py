"""Isolation forest, for anomalies."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate


@candidates.register("isolation_forest")
class IsolationForest(Candidate):
    """``s(x) = 2^(-E[h(x)] / c(ψ))``, h the depth at which random cuts isolate x.

    Liu, Ting and Zhou (2008). Labels of all rows only set the share of anomalies; without them it
    is ``contamination``, 0.05 unless ``[train.space.isolation_forest]`` says otherwise.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "anomaly": "everloop.train.estimators.isolation:IsolationForest"
    }
    preparation = "everloop.train.preparation:filled_codes"

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        share = params.get("contamination", 0.05)
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 < share <= 0.5:
            field = "train.space.isolation_forest.contamination"
            raise invalid(field, share, "a share above 0 and at most 0.5")
        return super().build(schema, task, seed, params)

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"n_estimators": 100, "max_samples": 256}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "n_estimators": trial.suggest_int("n_estimators", 50, 300),
            "max_samples": trial.suggest_int("max_samples", 64, 1024, log=True),
        }
