"""Linear regression that learns per event."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineCandidate, numbers_of


@candidates.register("online_linear_regression")
class OnlineLinearRegression(OnlineCandidate):
    """``w ← w + η/m (z - w·x - b) x`` after each event (Widrow and Hoff, 1960), by river.

    ``x`` and the target ``z`` are scaled by their means and deviations so far; m is the number of
    features, and one for the constant.
    """

    name = "online_linear_regression"
    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.online.linear:OnlineLinear"
    }

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        numbers = numbers_of(schema)
        others = sum(f.kind == "category" for f in schema.features)
        return {"numbers": numbers, "features": numbers + others}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"learning_rate": 0.1}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"learning_rate": trial.suggest_float("learning_rate", 1e-3, 0.5, log=True)}
