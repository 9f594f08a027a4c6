"""Least squares with a penalty on large weights."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE
from everloop.train.candidates._by_reward import ByReward


@candidates.register("ridge")
class Ridge(ByReward):
    """``min_w ||y - Xw - b||² + alpha ||w||²`` on scaled numbers (Hoerl and Kennard, 1970)."""

    estimators: ClassVar[dict[Task, str]] = {"regression": "sklearn.linear_model:Ridge"}
    weighted = ALIKE

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 1.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"alpha": trial.suggest_float("alpha", 1e-3, 1e4, log=True)}
