"""The user's own estimator or function, named ``module:Name`` in the loop file."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.train.candidates._base import Candidate
from everloop.train.fitting import Fitting
from everloop.train.loading import load
from everloop.train.own import OwnModel

_IN_FLOAT32 = ("sklearn.tree.", "sklearn.ensemble._forest", "sklearn.ensemble._gb")


class OwnEstimator(Candidate):
    """A class with scikit-learn's ``fit`` and ``predict``.

    Trees get categories as codes, all others scaled numbers and one-hot categories. Parameters that
    ``[train.space]`` declares go to its constructor. A subclass of :class:`Candidate` decides for
    itself.
    """

    quick: ClassVar[bool] = False  # nobody knows
    alone: ClassVar[bool] = True  # nor what else it touches

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
        own = ({"random_state": seed} if takes_seed else {}) | params
        return self.pipeline(schema, _known_to_sklearn(self.cls)(**own))

    def pipeline(self, schema: Schema, estimator: Any) -> Any:
        modules = [base.__module__ for base in self.cls.__mro__]
        if any(m.startswith("lightgbm") for m in modules):
            front = "everloop.train.preparation:native_codes"
        elif any(m.startswith(_IN_FLOAT32) for m in modules):
            front = "everloop.train.preparation:filled_codes"
        else:
            front = self.preparation
        return load("sklearn.pipeline:make_pipeline")(load(front)(schema), estimator)


class OwnFunction(Candidate):
    """A function ``train(data) -> model`` that does everything itself.

    ``data`` is a :class:`~everloop.train.own.TrainingData`; the model has ``predict`` (and
    ``predict_proba`` for classes) over the same ``X``.
    """

    quick: ClassVar[bool] = False
    alone: ClassVar[bool] = True

    def __init__(self, function: Callable[[Any], Any]) -> None:
        self.function = function

    @property
    def tasks(self) -> frozenset[Task]:
        return frozenset({"regression", "binary", "multiclass", "quantile", "ranking", "anomaly"})

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        if params:
            raise TypeError(f"{self.function.__name__}(data) takes no parameters")
        return OwnModel(self.function, schema, seed)

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        estimator.fit(X, y, around.groups)


def _known_to_sklearn(cls: type) -> type:
    """The class, with the tags that scikit-learn's pipeline asks of every step."""
    if hasattr(cls, "__sklearn_tags__"):
        return cls
    kind = "ClassifierMixin" if hasattr(cls, "predict_proba") else "RegressorMixin"
    bases = (cls, load(f"sklearn.base:{kind}"), load("sklearn.base:BaseEstimator"))
    return type(cls.__name__, bases, {"__module__": cls.__module__})


def own_candidate(reference: str) -> Candidate:
    """The candidate that ``module:Name`` names.

    Raises :class:`~everloop.errors.InvalidInput` for a class without ``fit`` and ``predict`` and
    for what is neither a class nor a function.
    """
    found = load(reference)
    if isinstance(found, type) and issubclass(found, Candidate):
        return found()
    if callable(found) and not isinstance(found, type):
        return OwnFunction(found)
    if not (isinstance(found, type) and hasattr(found, "fit") and hasattr(found, "predict")):
        raise invalid(
            "train.candidates", reference, "a class with fit and predict, or a function train(data)"
        )
    return OwnEstimator(reference, found)
