"""The model that is served once its twin was judged: the same fit, on all rows of the snapshot.

Rows that test a model cannot teach it, and where rows are few, or the newest ones test, that costs
what is served. So ``[train] refit = "all"`` fits the algorithm and the parameters that were found
once more, on the rows that trained and on those that tested. The model that was tested lies beside
it in the package (:func:`everloop.deploy.package.place_of_tested`), and stands for the version
wherever its own rows judge it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from everloop.errors import EverloopError
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._fitting import rows_of
from everloop.train.fit import Fitted
from everloop.train.fitting import silent
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.update.methods import Made
from everloop.update.methods.rows import TrainingRows


def on_whole(context: StepContext, spec: TrainSpec, made: Made, notes: list[str]) -> dict[str, Any]:
    """``whole``: the digest of the model to serve, and the rows it was fitted on.

    Empty where the loop file does not ask, and for models that are no new fit on all training
    rows. One that cannot be fitted, or that answers the rows it has now seen worse than the model
    that has not, is left out, and ``notes`` gets a sentence that says so.
    """
    if spec.refit != "all" or not made.on_all or made.onnx is not None:
        return {}
    snapshot = context.results["snapshot"]
    tested, count = made.fitted[0], int(snapshot["rows"])
    try:
        rows, whole = fitted_on_all(context, spec.alone(tested.name), tested.params, count)
        if not _no_worse(rows, int(snapshot["train_rows"]), whole, tested):
            notes.append(
                f"What was tested is served: fitted on all {count:,} rows, {tested.name} answers "
                "the tested ones worse."
            )
            return {}
        model = to_onnx(whole.estimator, rows.schema, rows.X)
    except (EverloopError, ValueError) as error:
        said = error.message if isinstance(error, EverloopError) else str(error)
        notes.append(f"What was tested is served; it cannot be fitted on all rows: {said}")
        return {}
    notes.append(
        f"What is served was fitted once more, on all {count:,} rows; its figures are those of the "
        f"model fitted on the {int(snapshot['train_rows']):,} that train."
    )
    return {"whole": {"model": context.project.blobs.put(model), "rows": count}}


def fitted_on_all(
    context: StepContext, spec: TrainSpec, params: dict[str, Any], count: int
) -> tuple[TrainingRows, Fitted]:
    """All ``count`` rows of the snapshot, and the one candidate of ``spec`` fitted on them.

    Raises :class:`~everloop.errors.EverloopError` or ValueError where it cannot be.
    """
    rows = rows_of(context, count)
    return rows, rows.fit(spec, silent, keep=params)[0]


def _no_worse(rows: TrainingRows, first: int, whole: Fitted, tested: Fitted) -> bool:
    """Whether ``whole`` scores the rows from ``first`` on at least as ``tested`` does."""
    y, X = rows.y[first:], rows.X[first:]
    groups = None if rows.groups is None else rows.groups[first:]
    ours, theirs = (
        rows.metric.score(y, *predict(fitted.estimator, X, rows.schema), groups)
        for fitted in (whole, tested)
    )
    return bool(np.isnan(theirs) or ours >= theirs)
