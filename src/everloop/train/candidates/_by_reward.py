"""What candidates for numbers share with those for bandits: a reward model for each action."""

from __future__ import annotations

from typing import Any

import msgspec
import numpy as np

from everloop.data.schema import Schema, Task
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting
from everloop.train.loading import load


class ByReward(Candidate):
    """Builds a regression for each action where the task is bandit; otherwise as ever."""

    @property
    def tasks(self) -> frozenset[Task]:
        return super().tasks | {"bandit"}

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        if task != "bandit":
            return super().build(schema, task, seed, params)
        alone = msgspec.structs.replace(schema, task="regression", classes=())
        parts = [
            super(ByReward, self).build(alone, "regression", seed, params) for _ in schema.classes
        ]
        return load("everloop.train.estimators.epsilon_greedy:EpsilonGreedy")(tuple(parts))

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        if not hasattr(estimator, "explore"):
            super().fit(estimator, X, y, around)
            return
        estimator.explore = around.explore
        estimator.fit(X, y, around.weights)
