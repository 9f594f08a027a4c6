"""What candidates for policies share: they learn from an environment instead of rows."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting
from everloop.train.loading import load


class Policy(Candidate):
    """An estimator with ``learn(environment)`` that exports itself."""

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        return load(self.estimators[task])(random_state=seed, **params)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        estimator.learn(around.environment)

    estimators: ClassVar[dict[Task, str]] = {}
