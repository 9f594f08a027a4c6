"""A forest whose trees are replaced when they drift."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineTrees

MODEL = "everloop.train.online.trees:AdaptiveForest"


@candidates.register("adaptive_random_forest")
class AdaptiveRandomForest(OnlineTrees):
    """``f(x) = Σ_b w_b tree_b(x) / Σ w_b``: Hoeffding trees on Poisson(6) copies of each event and
    √d columns a leaf, weighted by how often they were right, each exchanged when ADWIN sees its
    errors rise (Gomes et al., 2017), by river. Of numbers, the mean of the trees.

    An event costs a millisecond or so, most of all others: it learns the newest 50,000 rows.
    """

    name = "adaptive_random_forest"
    seeded = True
    quick = False
    most_rows = 50_000
    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.online.trees:AdaptiveForestNumbers",
        "binary": MODEL,
        "multiclass": MODEL,
    }

    def defaults(self, rows: int) -> dict[str, Any]:
        shared = super().defaults(rows)
        return {"n_models": 10} | shared | {"grace_period": 50, "delta": 0.01}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"n_models": trial.suggest_int("n_models", 5, 25)} | super().space(trial)
