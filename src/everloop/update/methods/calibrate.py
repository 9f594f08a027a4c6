"""Only the calibration is learned anew: the same ranking of rows, other probabilities."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from everloop.data.schema import Task
from everloop.deploy.package import MODEL
from everloop.errors import invalid
from everloop.extensions import update_methods
from everloop.train.loading import load
from everloop.update.methods._base import About, Around, Champion, Made, Method
from everloop.update.methods._new_rows import bare, new_rows, recognisable, touched
from everloop.update.methods.threshold import picked

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows

TASKS: tuple[Task, ...] = ("binary", "multiclass")
ORDER_ALONE = ("roc_auc", "pr_auc", "average_precision")  # of binary answers
EACH_CLASS = 10  # rows that a map is learned from, at least


@update_methods.register("calibrate")
class Calibrate(Method):
    """Maps from the champion's scores to what happened on recent labelled rows.

    Platt's or an isotonic map, whichever has the lower log loss on rows that it was not learned
    from (see :mod:`everloop.train.calibration`). It mends a moved base rate or changed confidence;
    what changed in which rows are likelier than others, it cannot mend. Sound for every classifier
    of one label that is served as ONNX, whatever the algorithm.
    """

    keeps_schema = True
    learns_new = True
    again_on_all = True

    def sound(self, about: About) -> str | None:
        if about.task not in TASKS:
            return f"a model of the task {about.task} has no probabilities to calibrate"
        if about.task == "binary" and about.metric in ORDER_ALONE:
            return f"{about.metric} is about the order of rows, which a calibration keeps"
        if about.files is not None and MODEL not in about.files:
            return "the champion is no ONNX graph that a calibration could be put behind"
        return recognisable(about)

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        assert champion is not None, "there is nothing to calibrate without one"
        started, recent = time.perf_counter(), new_rows(rows, around)
        base = bare(champion, rows, "undecided", "raw")
        proba = base.predict_proba(recent.X)
        asked = around.spec.calibrate if around.spec.calibrate != "none" else "auto"
        how = around.way or asked
        chosen, estimator = calibrated(base, proba, recent.y, how, rows.seed)
        facts: dict[str, Any] = {"calibration": chosen, "rows": len(recent.y)}
        if rows.schema.task == "binary" and around.spec.threshold != 0.5:
            cut = around.spec.threshold
            if isinstance(cut, str):
                after, score = estimator.mapped(proba), recent.metric.score
                cut = picked(after, recent.y, "binary", score, recent.costs, cut)
            facts["threshold"] = cut
            estimator = load("everloop.train.threshold:Thresholded")(estimator, cut)
        spent = time.perf_counter() - started
        note = (
            f"The probabilities of version {champion.version} were calibrated anew ({chosen}) on "
            f"{len(recent.y):,} labelled rows that it had not seen; nothing else changed."
        )
        return touched(champion, estimator, spent, facts, note, way=chosen)


def calibrated(base: Any, proba: np.ndarray, y: np.ndarray, how: str, seed: int) -> tuple[str, Any]:
    """Which map was taken, and ``base`` with it behind.

    ``proba`` are n by k, ``y`` n codes 0 … k-1. Where ``auto`` finds that none is better than the
    probabilities as they are, Platt's is taken, and the gates judge it.

    Raises :class:`~everloop.errors.InvalidInput` when a class has too few rows to learn from.
    """
    counts = np.bincount(np.asarray(y, dtype=np.int64), minlength=proba.shape[1])
    if counts.min() < EACH_CLASS:
        wanted = f"{EACH_CLASS} recent labelled rows or more of every class"
        raise invalid("rows", counts.tolist(), wanted, fix="Wait for more labels, or retrain.")
    learn = load("everloop.train.calibration:calibrate")
    made = learn(base, proba, y, how, seed)
    if made is base:
        made = learn(base, proba, y, "platt", seed)
    return str(made.method), made
