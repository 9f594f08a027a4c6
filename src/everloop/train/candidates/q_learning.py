"""Tabular Q-learning."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._policy import Policy


@candidates.register("q_learning")
class QLearning(Policy):
    """``Q(s, a) += α (r + γ maxₐ' Q(s', a') - Q(s, a))`` (Watkins and Dayan, 1992).

    For environments with few states; real numbers are cut into bins.
    """

    estimators: ClassVar[dict[Task, str]] = {"policy": "everloop.train.policies.table:QTable"}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"episodes": 20_000, "gamma": 0.99, "epsilon": 0.05, "decay": 0.6, "bins": 8}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "gamma": trial.suggest_float("gamma", 0.9, 0.9999),
            "epsilon": trial.suggest_float("epsilon", 0.01, 0.3, log=True),
            "decay": trial.suggest_float("decay", 0.5, 1.0),
            "bins": trial.suggest_int("bins", 4, 16),
        }
