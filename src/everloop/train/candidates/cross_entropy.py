"""A linear policy by the cross-entropy method."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._policy import Policy


@candidates.register("cross_entropy")
class CrossEntropy(Policy):
    """``argmaxₐ (W φ(x) + b)ₐ``, weights by sampling and keeping the best (Rubinstein, 1999).

    For observations that are real numbers, with noise as of Szita and Lőrincz (2006).
    """

    estimators: ClassVar[dict[Task, str]] = {
        "policy": "everloop.train.policies.linear:LinearPolicy"
    }

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"rounds": 15, "draws": 32, "episodes": 3, "elite": 0.2, "noise": 0.5}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "draws": trial.suggest_int("draws", 16, 64),
            "elite": trial.suggest_float("elite", 0.1, 0.4),
            "noise": trial.suggest_float("noise", 0.1, 2.0, log=True),
        }
