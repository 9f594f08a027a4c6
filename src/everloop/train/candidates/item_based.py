"""A recommender that rates an item as the user rated those like it."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.loading import load


@candidates.register("item_based")
class ItemBased(Candidate):
    """``r̂(u, i) = b_ui + Σⱼ s_ij (r_uj - b_uj) / Σⱼ |s_ij|`` (Sarwar et al., 2001).

    The rows hold a user, an item and a rating as the target; name both in ``data.categories``.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.recommend.neighbours:ItemNeighbours"
    }

    def suits(self, schema: Schema) -> None:
        """Refuse rows without a user and an item."""
        load("everloop.train.recommend._base:find_columns")(schema)

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        return load(self.estimators[task])(schema, **params)

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"neighbours": 30, "shrink": 10.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "neighbours": trial.suggest_int("neighbours", 5, 100, log=True),
            "shrink": trial.suggest_float("shrink", 1.0, 100.0, log=True),
        }
