"""Several models as one: the weighted mean of what they answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator

from everloop.data.schema import Schema
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting

Member = tuple[Candidate, Any, float]  # a candidate, what it has built, and its weight


class Ensemble(BaseEstimator):  # type: ignore[misc]
    """``f(x) = Σ wᵢ fᵢ(x)``, of numbers or of probabilities; the weights sum to 1.

    Parameters
    ----------
    members : unfitted estimators over the same ``X`` with their candidates and weights.
    """

    def __init__(self, members: Sequence[Member]) -> None:
        self.members = members

    def fit(self, X: np.ndarray, y: np.ndarray, around: Fitting | None = None) -> Ensemble:
        """Fit every member on the same rows."""
        around = around or Fitting()
        for number, (candidate, estimator, _) in enumerate(self.members):
            place = around.checkpoints
            own = None if place is None else place / str(number)
            candidate.fit(estimator, X, y, replace(around, checkpoints=own))
        return self

    @property
    def weights(self) -> list[float]:
        """Of each member."""
        return [weight for _, _, weight in self.members]

    @property
    def classes_(self) -> np.ndarray:
        """The codes of the classes, the same for every member."""
        return np.asarray(self.members[0][1].classes_)

    def predict_proba(self, X: np.ndarray) -> np.ndarray:
        """The mean of the members' probabilities, n by k."""
        return self._mean("predict_proba", X)

    def predict(self, X: np.ndarray) -> np.ndarray:
        """The mean of the members' numbers, or the class that is most probable on the mean."""
        if not hasattr(self.members[0][1], "predict_proba"):
            return self._mean("predict", X).reshape(len(X))
        return np.asarray(self.classes_[self.predict_proba(X).argmax(axis=1)])

    def export_onnx(self, schema: Schema) -> bytes:
        """One graph of all the members' graphs."""
        # Exporting is heavy to import and needed once.
        from everloop.train.joining import exported_ensemble  # noqa: PLC0415

        return exported_ensemble([member for _, member, _ in self.members], self.weights, schema)

    def _mean(self, method: str, X: np.ndarray) -> np.ndarray:
        parts = [
            weight * np.asarray(getattr(estimator, method)(X), dtype=np.float64)
            for _, estimator, weight in self.members
        ]
        return np.asarray(np.sum(parts, axis=0))
