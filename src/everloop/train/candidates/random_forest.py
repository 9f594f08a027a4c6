"""Random forest."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._forest import Forest


@candidates.register("random_forest")
class RandomForest(Forest):
    """``f(x) = Σ_b tree_b(x) / B``, bagged trees, random columns at each split (Breiman, 2001)."""

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "sklearn.ensemble:RandomForestRegressor",
        "binary": "sklearn.ensemble:RandomForestClassifier",
        "multiclass": "sklearn.ensemble:RandomForestClassifier",
        "multilabel": "everloop.train.estimators.label_trees:RandomForestLabels",
    }
    columns: ClassVar[dict[Task, Any]] = {"regression": 0.33}
