"""What random forests and extra trees share: bounds in time and in size."""

from __future__ import annotations

from typing import Any

from joblib import cpu_count

from everloop.data.schema import Schema
from everloop.train.candidates._base import Candidate

SAMPLED_ROWS = 20_000  # rows that one tree reads at most
MODEL_BYTES = 8_000_000  # of the exported forest, at most
LEAF_BYTES = 90  # of a leaf and the split above it in ONNX, beside
CLASS_BYTES = 16  # for each class (measured)


class Forest(Candidate):
    """Averages of trees grown on samples of the rows, each split from a sample of the columns."""

    preparation = "everloop.train.preparation:filled_codes"

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        outputs = len(schema.classes) if schema.task == "multiclass" else 1
        a_leaf = LEAF_BYTES + CLASS_BYTES * outputs
        leaves = MODEL_BYTES // (int(params.get("n_estimators", 100)) * a_leaf)
        columns = 0.33 if schema.task == "regression" else "sqrt"
        return {
            "bootstrap": True,
            "n_jobs": cpu_count(),
            "max_leaf_nodes": max(16, leaves),
            "max_features": columns,
        }

    def defaults(self, rows: int) -> dict[str, Any]:
        return {
            "n_estimators": 100 if rows < 50_000 else 50,
            "max_samples": min(1.0, SAMPLED_ROWS / max(rows, 1)),
            "max_depth": 16,
            "min_samples_leaf": 1 if rows < 5_000 else 5,
        }

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "max_features": trial.suggest_float("max_features", 0.1, 1.0),
            "max_depth": trial.suggest_int("max_depth", 4, 20),
            "min_samples_leaf": trial.suggest_int("min_samples_leaf", 1, 100, log=True),
        }
