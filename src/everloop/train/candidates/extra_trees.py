"""Extremely randomised trees."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._forest import Forest


@candidates.register("extra_trees")
class ExtraTrees(Forest):
    """``f(x) = Σ_b tree_b(x) / B``, whose split points are drawn at random too.

    Geurts, Ernst and Wehenkel (2006). Each tree reads all rows, unless they are more than 20,000.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "sklearn.ensemble:ExtraTreesRegressor",
        "binary": "sklearn.ensemble:ExtraTreesClassifier",
        "multiclass": "sklearn.ensemble:ExtraTreesClassifier",
        "multilabel": "everloop.train.estimators.label_trees:ExtraTreesLabels",
    }
    columns: ClassVar[dict[Task, Any]] = {"regression": 1.0}
    bootstrap = False
