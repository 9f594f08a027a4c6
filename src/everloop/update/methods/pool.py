"""A pool that goes on learning: leaves are refitted as labels come, and full fits are rare."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from everloop.errors import invalid
from everloop.extensions import update_methods
from everloop.train.loading import load
from everloop.update.methods._base import About, Around, Champion, Made, Method

if TYPE_CHECKING:
    from everloop.train.fit import Fitted
    from everloop.train.pool.model import PoolModel
    from everloop.train.pool.state import Restored
    from everloop.update.methods.rows import TrainingRows

_TASKS = ("binary", "multiclass", "regression")
_TREES = "lightgbm"
_STATE = "everloop.train.pool.state"


@update_methods.register("pool")
class PoolMethod(Method):
    """Sound for LightGBM's classifiers and regressors of rows that have a time.

    A champion that is a pool learns from the rows after those it knows, which takes less than a
    second for some thousand rows; a full fit joins it when the rows have grown enough. From any
    other champion a full fit begins one. The kept parameters are those of the full fits. Of
    calibration and threshold in ``[train]``, the threshold is kept from the last full fit, and the
    pool's mixture takes the calibration's place.
    """

    keeps_schema = True
    learns_new = True

    def sound(self, about: About) -> str | None:
        if about.algorithm != _TREES:
            return (
                f"a pool refits the leaves of {_TREES}'s trees, and the champion is "
                f"{about.algorithm}"
            )
        if about.task not in _TASKS:
            return f"a pool answers {', '.join(_TASKS)}, and the task is {about.task}"
        if not about.timed:
            return "a pool learns from the rows after those it knows, and rows have no data.time"
        if about.stays:
            return "the rows stay where they are, and only a sample of them is kept"
        return None

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        """The pool of the champion after the new rows, or a new one."""
        assert champion is not None, "the method needs one"
        if rows.times is None:
            raise invalid("data.time", None, "the column that says when a row was", code="untimed")
        known = _known(rows, champion)
        if known is None:
            return _begun(rows, around)
        return _continued(rows, rows.times, known, around)


def _known(rows: TrainingRows, champion: Champion) -> Restored | None:
    """The champion's pool; None where it is none, or rows or classes are others than its own."""
    known: Restored | None = load(f"{_STATE}:read")(champion.folder)
    if known is None or champion.schema != rows.schema:
        return None
    classed = not rows.schema.numeric
    strange = classed and not np.isin(np.unique(rows.y).astype(int), known.model.codes).all()
    return None if strange else known


def _begun(rows: TrainingRows, around: Around) -> Made:
    fitted = _full_fit(rows, around)
    pipeline, threshold = _opened(fitted.estimator)
    begin = load("everloop.train.pool.model:PoolModel").begun
    model = begin(pipeline, rows.X, rows.y, rows.schema)
    note = f"A full fit on {len(rows.y):,} rows begins a pool."
    return _made(fitted, model, rows, threshold, note, fit=True)


def _continued(rows: TrainingRows, times: np.ndarray, known: Restored, around: Around) -> Made:
    from everloop.train.fit import Fitted  # noqa: PLC0415 - heavy

    new = times > known.until
    if not new.any():
        return Made(nothing="no labelled row is newer than those that the pool knows")
    model, threshold = known.model, known.threshold
    model.update(rows.X[new], rows.y[new])
    note = f"The pool learned from {int(new.sum()):,} new rows."
    why = model.pool.wants_full_fit(len(rows.y))
    if why is not None:
        fitted = _full_fit(rows, around)
        pipeline, threshold = _opened(fitted.estimator)
        model.renew(pipeline, len(rows.y), rows.schema)
        note = f"{note} A full fit joined it: {why}."
        return _made(fitted, model, rows, threshold, note, fit=True)
    if newest := _newest(rows, times, model):
        pipeline = _opened(_fresh_fit(newest, around).estimator)[0]
        model.freshen(pipeline, len(newest.y), rows.schema)
        note = f"{note} A fit on the newest {len(newest.y):,} rows joined it."
    fitted = Fitted(_TREES, dict(around.keep or {}), model, 0.0, None)
    return _made(fitted, model, rows, threshold, note, fit=False)


def _newest(rows: TrainingRows, times: np.ndarray, model: PoolModel) -> TrainingRows | None:
    """The rows that a fresh fit is due on; None where none is, or a class is not among them."""
    count = model.pool.wants_fresh_fit(len(times))
    if not count:
        return None
    newest = rows.part(np.sort(np.argsort(times, kind="stable")[-count:]))
    complete = rows.schema.numeric or len(np.unique(newest.y)) == len(model.codes)
    return newest if complete else None


def _full_fit(rows: TrainingRows, around: Around) -> Fitted:
    return rows.fit(
        around.spec,
        around.report,
        keep=around.keep,
        study=around.study,
        checkpoints=around.checkpoints,
    )[0]


def _fresh_fit(newest: TrainingRows, around: Around) -> Fitted:
    """Half the trees, and nothing but them: the mixture calibrates."""
    usual = load("everloop.train.check:find_candidate")(_TREES).defaults(len(newest.y))
    keep = usual | (around.keep or {})
    keep["n_estimators"] = load("everloop.train.pool.pool:trees_of_fresh")(keep["n_estimators"])
    alone = msgspec.structs.replace(around.spec, calibrate="none", threshold=0.5)
    return newest.fit(alone, around.report, keep=keep)[0]


def _opened(estimator: Any) -> tuple[Any, float | None]:
    """The pipeline inside what calibrates and decides, and the threshold."""
    threshold = getattr(estimator, "threshold", None)
    while not hasattr(estimator, "steps") and hasattr(estimator, "estimator"):
        estimator = estimator.estimator
    return estimator, threshold


def _made(
    fitted: Fitted, model: Any, rows: TrainingRows, threshold: float | None, note: str, *, fit: bool
) -> Made:
    assert rows.times is not None, "looked at first"
    state = load(f"{_STATE}:written")(model, int(rows.times.max()), threshold)
    whole = model
    if threshold is not None:
        whole = load("everloop.train.threshold:Thresholded")(model, threshold)
    pool = model.pool
    facts = {
        "pool": {
            "windows": pool.windows,
            "fits": pool.growth.fits,
            "fresh_fits": pool.growth.fresh,
            "full_fit": fit,
            "rows_of_last_fit": pool.growth.rows,
        }
    }
    return Made([replace(fitted, estimator=whole)], state=state, notes=(note,), facts=facts)
