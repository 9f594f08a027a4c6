"""Naive Bayes."""

from __future__ import annotations

from typing import Any, ClassVar

from everloop.data.schema import Task
from everloop.extensions import candidates
from everloop.train.candidates._by_label import ByLabel


@candidates.register("naive_bayes")
class NaiveBayes(ByLabel):
    """``p(c|x) ∝ p(c) Πⱼ p(xⱼ|c)``, numbers normal, levels counted (Duda and Hart, 1973)."""

    estimators: ClassVar[dict[Task, str]] = {
        "binary": "everloop.train.estimators.naive_bayes:NaiveBayes",
        "multiclass": "everloop.train.estimators.naive_bayes:NaiveBayes",
    }
    seeded = False

    def defaults(self, rows: int) -> dict[str, Any]:
        return {"var_smoothing": 1e-6, "alpha": 1.0}

    def space(self, trial: Any) -> dict[str, Any]:
        return {
            "var_smoothing": trial.suggest_float("var_smoothing", 1e-9, 1.0, log=True),
            "alpha": trial.suggest_float("alpha", 1e-2, 10.0, log=True),
        }
