"""The user's own estimator, named ``module:Class`` in the loop file."""

from __future__ import annotations

import inspect
from typing import Any

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate
from everloop.train.loading import load

_IN_FLOAT32 = ("sklearn.tree.", "sklearn.ensemble._forest", "sklearn.ensemble._gb")


class OwnEstimator(Candidate):
    """A class with scikit-learn's ``fit`` and ``predict``.

    Trees get categories as codes, all others scaled numbers and one-hot categories. A subclass of
    :class:`Candidate` decides for itself.
    """

    def __init__(self, reference: str, cls: type) -> None:
        self.reference = reference
        self.cls = cls

    @property
    def tasks(self) -> frozenset[Task]:
        if hasattr(self.cls, "predict_proba"):
            return frozenset({"binary", "multiclass"})
        return frozenset({"regression"})

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        takes_seed = "random_state" in inspect.signature(self.cls).parameters
        return self.pipeline(schema, self.cls(**({"random_state": seed} if takes_seed else {})))

    def pipeline(self, schema: Schema, estimator: Any) -> Any:
        modules = [base.__module__ for base in self.cls.__mro__]
        if any(m.startswith("lightgbm") for m in modules):
            front = "everloop.train.preparation:native_codes"
        elif any(m.startswith(_IN_FLOAT32) for m in modules):
            front = "everloop.train.preparation:filled_codes"
        else:
            front = self.preparation
        return load("sklearn.pipeline:make_pipeline")(load(front)(schema), estimator)


def own_candidate(reference: str) -> Candidate:
    """The candidate that ``module:Class`` names.

    Raises :class:`~everloop.errors.InvalidInput` when it has no ``fit`` and ``predict``.
    """
    found = load(reference)
    if isinstance(found, type) and issubclass(found, Candidate):
        return found()
    if not (isinstance(found, type) and hasattr(found, "fit") and hasattr(found, "predict")):
        raise invalid("train.candidates", reference, "a class with fit and predict")
    return OwnEstimator(reference, found)
