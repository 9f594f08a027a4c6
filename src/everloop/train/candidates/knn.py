"""Nearest neighbours."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._sampled import Sampled


@candidates.register("knn")
class NearestNeighbours(Sampled):
    """``ŷ(x)``: the mean of ``yᵢ`` over the k nearest ``xᵢ`` (Fix and Hodges, 1951; Cover, 1967).

    On scaled numbers and one-hot levels; of more than 4,000 rows a sample is remembered.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": "everloop.train.estimators.neighbours:NeighboursRegressor",
        "binary": "everloop.train.estimators.neighbours:NeighboursClassifier",
        "multiclass": "everloop.train.estimators.neighbours:NeighboursClassifier",
        "multilabel": "everloop.train.estimators.neighbours:NeighboursLabels",
    }
    seeded = False

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"n_neighbors": 5 if rows < 500 else 15}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"n_neighbors": trial.suggest_int("n_neighbors", 1, 100, log=True)}
