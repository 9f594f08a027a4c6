"""What river's learners share as candidates: rows in their order, once each."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import TIME_ONLY, Fitting, Pruned


class OnlineCandidate(Candidate):
    """Learns per event, and can go on learning; see :mod:`everloop.train.online`.

    Attributes
    ----------
    name : its plain name.
    most_rows : learned at most, the newest; an event costs microseconds of Python.
    tables : whether it reads numbers and categories alone.
    """

    name: ClassVar[str]
    preparation = "everloop.train.preparation:numbers_first"
    seeded = False
    ordered = True
    most_rows: ClassVar[int] = 500_000
    tables: ClassVar[bool] = False

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        """Raises :class:`~everloop.errors.InvalidInput` where river is not installed, or the data
        has what this learner cannot read."""
        if find_spec("river") is None:
            raise invalid(
                "train.candidates",
                self.name,
                "river to be installed",
                code="missing_package",
                fix='Run: pip install "everloop[river]".',
            )
        strange = [f.name for f in schema.features if self.tables and f.shape]
        if strange:
            raise invalid(
                "train.candidates",
                self.name,
                f"numbers and categories alone, and {strange[0]} is neither",
                code="wrong_features",
                fix='Use "online_logistic_regression", or "lightgbm".',
            )
        return super().build(schema, task, seed, params)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        def stop() -> None:
            if around.prune(TIME_ONLY, 0.0):
                raise Pruned

        X, y = X[-self.most_rows :], y[-self.most_rows :]
        front, model = estimator[:-1], estimator[-1]
        model.fit(front.fit_transform(X, y), y, stop=stop)


class OnlineTrees(OnlineCandidate):
    """What the trees share."""

    preparation = "everloop.train.preparation:scaled_codes"
    tables = True

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        first = numbers_of(schema)
        return {"nominal": tuple(range(first, schema.width))}

    def defaults(self, rows: int) -> dict[str, Any]:
        grace = int(np.clip(rows // 50, 25, 200))
        return {"grace_period": grace, "delta": 1e-7, "tau": 0.05, "max_depth": 16}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "grace_period": trial.suggest_int("grace_period", 25, 400, log=True),
            "delta": trial.suggest_float("delta", 1e-9, 1e-1, log=True),
            "tau": trial.suggest_float("tau", 0.01, 0.2, log=True),
            "max_depth": trial.suggest_int("max_depth", 4, 20),
        }


def numbers_of(schema: Schema) -> int:
    """Columns of numbers, which these preparations put first."""
    return sum(f.width for f in schema.features if f.kind != "category" and not f.shape)
