"""A recommender with a short list of tastes for each user and item."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.loading import load


@candidates.register("matrix_factorisation")
class MatrixFactorisation(Candidate):
    """``r̂(u, i) = μ + b_u + b_i + p_u · q_i`` (Koren, Bell and Volinsky, 2009).

    The rows hold a user, an item and a rating as the target; name both in ``data.categories``.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.recommend.factors:MatrixFactorisation"
    }

    def suits(self, schema: Schema) -> None:
        """Refuse rows without a user and an item."""
        load("everloop.train.recommend._base:find_columns")(schema)

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        return load(self.estimators[task])(schema, random_state=seed, **params)

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"factors": 16, "rounds": 10, "penalty": 0.1}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "factors": trial.suggest_int("factors", 4, 64, log=True),
            "rounds": trial.suggest_int("rounds", 5, 20),
            "penalty": trial.suggest_float("penalty", 0.01, 1.0, log=True),
        }
