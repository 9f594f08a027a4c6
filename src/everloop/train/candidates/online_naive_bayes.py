"""Naive Bayes that counts along."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Schema, Task
from everloop.extensions import candidates
from everloop.train.candidates._online import OnlineCandidate, numbers_of

MODEL = "everloop.train.online.bayes:OnlineBayes"


@candidates.register("online_naive_bayes")
class OnlineNaiveBayes(OnlineCandidate):
    """``p(c|x) ∝ p(c) Πⱼ p(xⱼ|c)``, numbers normal, levels there or not (Duda and Hart, 1973).

    River's counts, means and variances (Welford, 1962) go along and forget nothing: for a world
    that grows, not for one that turns.
    """

    name = "online_naive_bayes"
    estimators: ClassVar[dict[Task, str]] = {"binary": MODEL, "multiclass": MODEL}

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        return {"numbers": numbers_of(schema)}

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"alpha": 1.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {"alpha": trial.suggest_float("alpha", 1e-2, 10.0, log=True)}
