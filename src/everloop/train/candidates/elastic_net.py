"""Least squares with both penalties."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates.lasso import Shrunk


@candidates.register("elastic_net")
class ElasticNet(Shrunk):
    """``min_w ||y - Xw - b||² / 2n + alpha (r ||w||₁ + (1 - r) ||w||² / 2)``, ``r = l1_ratio``.

    Zou and Hastie (2005); on scaled values.
    """

    estimators: ClassVar[dict[Task, str]] = {"regression": "sklearn.linear_model:ElasticNet"}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 0.01, "l1_ratio": 0.5}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "alpha": trial.suggest_float("alpha", 1e-5, 1.0, log=True),
            "l1_ratio": trial.suggest_float("l1_ratio", 0.05, 0.95),
        }
