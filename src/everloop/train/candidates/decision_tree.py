"""A single decision tree."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._base import ALIKE, Candidate


@candidates.register("decision_tree")
class DecisionTree(Candidate):
    """CART (Breiman et al., 1984): greedy splits that lower ``Σ n_t i(t)`` over the leaves t.

    ``i`` is the Gini impurity ``Σ p_k (1 - p_k)``, or the variance of a target of numbers.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "sklearn.tree:DecisionTreeRegressor",
        "binary": "sklearn.tree:DecisionTreeClassifier",
        "multiclass": "sklearn.tree:DecisionTreeClassifier",
        "multilabel": "everloop.train.estimators.label_trees:DecisionTreeLabels",
    }
    weighted = ALIKE
    preparation = "everloop.train.preparation:filled_codes"

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"max_depth": 8, "min_samples_leaf": max(5, rows // 500)}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_depth": trial.suggest_int("max_depth", 2, 12),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 500, log=True),
        }
