"""The weighted mean of several candidates, which a search puts together."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.extensions import candidates
from everloop.train.candidates._base import Candidate
from everloop.train.candidates.own import own_candidate
from everloop.train.fitting import Fitting
from everloop.train.loading import load
from everloop.train.spec import ENSEMBLE

MODEL = "everloop.train.estimators.ensemble:Ensemble"


@candidates.register(ENSEMBLE)
class EnsembleCandidate(Candidate):
    """``f(x) = Σ wᵢ fᵢ(x)`` over models that greedy selection chose (Caruana et al., 2004).

    Not to be named among the candidates: a search makes one of its trials when ``train.ensemble``
    is true. Its parameter ``members`` is a list of tables, each with ``algorithm``, ``params`` and
    ``weight``; so the same ensemble can be fitted to other rows.
    """

    estimators: ClassVar[dict[Task, str]] = {
        "regression": MODEL,
        "binary": MODEL,
        "multiclass": MODEL,
    }

    quick: ClassVar[bool] = False

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        """Every member's estimator, unfitted.

        Raises :class:`~everloop.errors.InvalidInput` when there are no members.
        """
        members = []
        for told in params.get("members", ()):
            name = told["algorithm"]
            candidate = own_candidate(name) if ":" in name else candidates.get(name)()
            built = candidate.build(schema, task, seed, dict(told["params"]))
            members.append((candidate, built, float(told["weight"])))
        if not members:
            raise invalid(
                "train.candidates",
                ENSEMBLE,
                "algorithms; an ensemble is made of their trials",
                fix="Leave it out, and set train.ensemble = true beside [train.search].",
            )
        return load(self.estimators[task])(members)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        estimator.fit(X, y, around)
