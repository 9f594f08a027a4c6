"""The model that is served once its twin was judged: made the same way, of all rows.

Rows that test a model cannot teach it, and where rows are few, or the newest ones test, that costs
what is served. So ``[train] refit = "all"`` makes the model once more, of the rows that trained and
of those that tested it: a new fit by the algorithm and the parameters that were found, and a model
that learns on, or gets another last touch, from what its champion is served as. The model that was
tested lies beside it in the package (:func:`everloop.deploy.package.place_of_tested`) with what it
goes on from, and stands for the version wherever its own rows judge it. So there are two lines of
models: in one of them no model has seen a row that judges it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from everloop.errors import EverloopError
from everloop.evaluate.answers import Answers
from everloop.evaluate.compare import compare
from everloop.loop.steps._base import StepContext
from everloop.loop.steps._fitting import rows_of
from everloop.loop.steps._kept import stored, with_state
from everloop.loop.steps._method import around_of, base_of, choice_of, method_of
from everloop.loop.steps._seen import SnapshotSeen, served_from
from everloop.train.fit import Fitted
from everloop.train.fitting import silent
from everloop.train.onnx import to_onnx
from everloop.train.predictions import predict
from everloop.train.spec import TrainSpec
from everloop.update.methods import Champion, Made
from everloop.update.methods.rows import TrainingRows


class AllSeen(SnapshotSeen):
    """:class:`everloop.update.methods.Seen` of all rows of the snapshot, for what is served: those
    that tested its champion taught that already, and judge nothing of it."""

    def tested(self) -> NDArray[np.bool_]:
        return np.zeros(self._frame.height, dtype=np.bool_)


def on_whole(context: StepContext, spec: TrainSpec, made: Made, notes: list[str]) -> dict[str, Any]:
    """``whole``: the digests of the model to serve and of its state, and the rows it is made of.

    Empty where the loop file does not ask, and for methods that cannot make a model of all rows.
    One that cannot be made, or that answers the rows it has now seen surely worse than the model
    that has not, is left out, and ``notes`` gets a sentence that says so.
    """
    again = made.on_all or method_of(choice_of(context)).again_on_all
    if spec.refit != "all" or not again or made.onnx is not None:
        return {}
    snapshot = context.results["snapshot"]
    tested, count = made.fitted[0], int(snapshot["rows"])
    try:
        alone = spec.alone(tested.name)
        rows, whole, base = made_of_all(context, alone, tested.params, count, made.way)
        best = whole.fitted[0]
        if not _no_worse(rows, int(snapshot["train_rows"]), best, tested):
            notes.append(
                f"What was tested is served: made of all {count:,} rows, {tested.name} answers "
                "the tested ones surely worse."
            )
            return {}
        model = to_onnx(best.estimator, rows.schema, rows.X)
    except (EverloopError, ValueError) as error:
        said = error.message if isinstance(error, EverloopError) else str(error)
        notes.append(f"What was tested is served; it cannot be made of all rows: {said}")
        return {}
    notes.append(_told(whole, count, int(snapshot["train_rows"])))
    whole, _ = with_state(whole, rows, base)
    kept = {"state": stored(context, whole.state)} if whole.state else {}
    way = {"way": made.way} if made.way else {}
    return {"whole": {"model": context.project.blobs.put(model), "rows": count, **kept, **way}}


def made_of_all(
    context: StepContext, spec: TrainSpec, params: dict[str, Any], count: int, way: str
) -> tuple[TrainingRows, Made, Champion | None]:
    """All ``count`` rows of the snapshot, what the one candidate of ``spec`` learned of them by
    ``way``, and the champion that it was made from.

    Raises :class:`~everloop.errors.EverloopError` or ValueError where it cannot be.
    """
    rows, choice = rows_of(context, count), choice_of(context)
    method, version = method_of(choice), base_of(context, choice)
    if version is None or not method.again_on_all:
        return rows, Made(rows.fit(spec, silent, keep=params)[:1]), None
    seen = AllSeen(context, version, count)
    around = around_of(context, choice, spec, keep=params, seen=seen, way=way)
    champion = served_from(context.project, version)
    return rows, method.make(rows, champion, around), champion


def _told(whole: Made, count: int, train: int) -> str:
    if whole.notes:
        return (
            f"What is served is another model, made of the rows that tested this one too: "
            f"{whole.notes[0]}"
        )
    return (
        f"What is served was fitted once more, on all {count:,} rows; its figures are those of the "
        f"model fitted on the {train:,} that train."
    )


def _no_worse(rows: TrainingRows, first: int, whole: Fitted, tested: Fitted) -> bool:
    """Whether ``whole`` answers the rows from ``first`` on as well as ``tested`` does, or worse by
    no more than chance would have it (95 %): it has learned them, so worse is a fit gone wrong."""
    y, X = rows.y[first:], rows.X[first:]
    metric = rows.metric if rows.groups is None else rows.metric.grouped(rows.groups[first:])
    ours, theirs = (
        Answers(*predict(fitted.estimator, X, rows.schema)) for fitted in (whole, tested)
    )
    known = compare(metric, y, ours, theirs, rows.seed)
    return bool(np.isnan(known.difference) or known.difference >= 0 or known.high >= 0)
