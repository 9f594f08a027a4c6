"""What random forests and extra trees share: bounds in time and in size."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.train.candidates._base import ALIKE, Candidate, weights_of
from everloop.train.cores import cores
from everloop.train.fitting import Fitting

SAMPLED_ROWS = 20_000  # rows that one tree reads at most
MODEL_BYTES = 24_000_000  # of the exported forest, at most
LEAF_BYTES = 90  # of a leaf and the split above it in ONNX, beside
CLASS_BYTES = 16  # for each class (measured)


class Forest(Candidate):
    """Averages of trees grown on samples of the rows, each split from a sample of the columns.

    ``columns`` is which share of the columns a split of each task looks at; ``bootstrap`` says
    whether rows are drawn for each tree even where all of them are few enough to be read.
    """

    preparation = "everloop.train.preparation:filled_codes"
    columns: ClassVar[dict[Task, Any]] = {}
    weighted = ALIKE
    bootstrap: ClassVar[bool] = True

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        outputs = len(schema.classes) if schema.task in ("multiclass", "multilabel") else 1
        a_leaf = LEAF_BYTES + CLASS_BYTES * outputs
        leaves = MODEL_BYTES // (int(params.get("n_estimators", 100)) * a_leaf)
        return {
            "bootstrap": self.bootstrap,
            "n_jobs": cores(),
            "max_leaf_nodes": max(16, leaves),
            "max_features": self.columns.get(schema.task, "sqrt"),
        }

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        forest = estimator[-1]
        if forest.max_leaf_nodes is not None and len(X) <= forest.max_leaf_nodes:
            forest.max_leaf_nodes = None  # no tree can have so many: then it grows faster
        estimator.fit(X, y, **weights_of(estimator, around))

    def defaults(self, rows: int) -> dict[str, Any]:
        chosen = {
            "n_estimators": 100 if rows < 50_000 else 50,
            "min_samples_leaf": 1 if rows < 5_000 else 5,
        }
        if self.bootstrap or rows > SAMPLED_ROWS:
            sample = min(1.0, SAMPLED_ROWS / max(rows, 1))
            return chosen | {"bootstrap": True, "max_samples": sample}
        return chosen

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
        }
