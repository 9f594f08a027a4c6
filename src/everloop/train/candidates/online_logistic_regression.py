"""Logistic regression that learns per event."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineCandidate, numbers_of

MODEL = "everloop.train.online.linear:OnlineLogistic"


@candidates.register("online_logistic_regression")
class OnlineLogisticRegression(OnlineCandidate):
    """``w ← w - η ∂(-log p(y|x))/∂w`` after each event (Robbins and Monro, 1951), by river.

    Numbers are scaled by their mean and deviation so far. The step stays the same, so it follows a
    world that moves; of one that stands still it is a little worse than ``logistic_regression``.
    """

    name = "online_logistic_regression"
    estimators: ClassVar[dict[Task, str]] = {"binary": MODEL, "multiclass": MODEL}

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"numbers": numbers_of(schema)}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"learning_rate": 0.05 if rows < 10_000 else 0.02}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.5, log=True)}
