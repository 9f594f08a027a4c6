"""What a candidate is.

A candidate is a kind of model that training may try. It holds no data and no state: fitting may
build it many times, with other parameters, in any thread. To add one, write a class in a file of
its own and register it under its plain name::

    @candidates.register("my_forest")
    class MyForest(Candidate):
        estimators: ClassVar = {"regression": "my_package.forest:ForestRegressor"}
        preparation = "everloop.train.preparation:filled_codes"

Obligations. ``build`` returns an unfitted estimator over the matrix ``X`` of the schema (float64,
n rows by ``schema.width``; NaN for a missing number, -1 for a missing or unseen level) that brings
its own preparation and can be converted to ONNX. A classifier is fitted on codes 0 … k-1 and has
``predict_proba``. ``defaults`` keeps fitting bounded in time and in size however many rows there
are. ``space`` names the same parameters as ``defaults``. Importing the module stays cheap: name
heavy classes as ``module:Name``.

``fit`` fits what ``build`` made; override it to stop early, to keep checkpoints or to use groups
and weights (see :class:`~everloop.train.fitting.Fitting`). An estimator that skl2onnx cannot
convert offers ``export_onnx(schema) -> bytes``: the whole graph from ``X`` to the answers that
:mod:`everloop.data.schema` lists for the task.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from everloop.data.schema import Schema, Task
from everloop.train.fitting import Fitting
from everloop.train.loading import load

ALIKE: frozenset[Task] = frozenset({"regression", "binary", "multiclass", "bandit"})


def weights_of(estimator: Any, around: Fitting) -> dict[str, Any]:
    """The argument of a pipeline's ``fit`` that weighs rows in its last step; none without."""
    if around.weights is None or not hasattr(estimator, "steps"):
        return {}
    return {f"{estimator.steps[-1][0]}__sample_weight": around.weights}


class Candidate:
    """A kind of model, by its plain name.

    Attributes
    ----------
    estimators : for each task it can do, the scikit-learn class as ``module:Name``.
    preparation : function of a schema that returns the transformer in front, as ``module:name``.
    seeded : whether the estimator takes ``random_state``.
    scales_target : whether ``fit`` learns a target of numbers with mean 0 and deviation 1.
    quick : whether fitting a few thousand rows takes no longer than a second or two.
    alone : whether nothing may be fitted beside it, as what draws from a generator that the whole
        process shares.
    ordered : whether ``fit`` learns one row after another, so that their order matters.
    weighted : the tasks whose ``fit`` obeys ``around.weights``; what others do with them is
        nothing, so old rows cannot be made to count less.
    """

    estimators: ClassVar[dict[Task, str]] = {}
    preparation: ClassVar[str] = "everloop.train.preparation:one_hot"
    seeded: ClassVar[bool] = True
    scales_target: ClassVar[bool] = False
    quick: ClassVar[bool] = True
    alone: ClassVar[bool] = False
    ordered: ClassVar[bool] = False
    weighted: ClassVar[frozenset[Task]] = frozenset()

    @property
    def tasks(self) -> frozenset[Task]:
        """The tasks it can do."""
        return frozenset(self.estimators)

    def suits(self, schema: Schema) -> None:
        """Refuse rows that have nothing the algorithm reads, before anything is fitted.

        Raises :class:`~everloop.errors.InvalidInput`.
        """

    def build(self, schema: Schema, task: Task, seed: int, params: dict[str, Any]) -> Any:
        """An unfitted pipeline: preparation, then the estimator with ``params``."""
        estimator = load(self.estimators[task])
        seeded = {"random_state": seed} if self.seeded else {}
        arguments = self.fixed(schema, params) | seeded | params
        return self.pipeline(schema, estimator(**arguments))

    def fit(self, estimator: Any, X: np.ndarray, y: np.ndarray, around: Fitting) -> None:
        """Fit what :meth:`build` made on n rows of ``X`` and their targets."""
        estimator.fit(X, y, **weights_of(estimator, around))

    def settled(self, estimator: Any) -> dict[str, Any]:
        """Parameters that fitting found by itself, such as the rounds it stopped after; they are
        averaged over the validation parts and used when the model is fitted on all rows."""
        return {}

    def settle(self, estimator: Any, params: dict[str, Any]) -> None:
        """Let a fitted pipeline answer as one with ``params``, the mean of what was settled."""

    def fixed(self, schema: Schema, params: dict[str, Any]) -> dict[str, Any]:
        """Arguments that are not searched; ``params`` override them."""
        return {}

    def pipeline(self, schema: Schema, estimator: Any) -> Any:
        """``estimator`` behind its preparation."""
        make_pipeline = load("sklearn.pipeline:make_pipeline")
        return make_pipeline(load(self.preparation)(schema), estimator)

    def defaults(self, rows: int) -> dict[str, Any]:
        """Parameters that are sensible for this many training rows."""
        return {}

    def space(self, trial: Any) -> dict[str, Any]:
        """Parameters drawn from an Optuna trial; empty when there is nothing to search."""
        return {}
