"""Only the threshold is chosen anew: the same probabilities, other answers."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import numpy as np

from everloop.data.schema import Task
from everloop.deploy.package import MODEL
from everloop.evaluate.metrics import get_metric
from everloop.extensions import update_methods
from everloop.monitor.performance import Score
from everloop.train.loading import load
from everloop.update.methods._base import About, Around, Champion, Made, Method
from everloop.update.methods._new_rows import bare, new_rows, recognisable, touched

if TYPE_CHECKING:
    from everloop.update.methods.rows import TrainingRows

TASKS: tuple[Task, ...] = ("binary", "multilabel")


@update_methods.register("threshold")
class Threshold(Method):
    """The probability from which the second class (or a label) is answered.

    Chosen on labelled rows that the champion has not seen and that judge nothing: by what answers
    cost where ``train.threshold = "cost"``, else by the metric. Sound for every classifier of two
    classes or of several labels that is served as ONNX, where the metric is one of answers.
    """

    keeps_schema = True
    learns_new = True
    again_on_all = True

    def sound(self, about: About) -> str | None:
        if about.task not in TASKS:
            return f"a model of the task {about.task} has no threshold"
        if about.metric and get_metric(about.metric).needs_probabilities:
            return f"{about.metric} is computed from probabilities, which no threshold moves"
        if about.files is not None and MODEL not in about.files:
            return "the champion is no ONNX graph that a threshold could be put behind"
        return recognisable(about)

    def make(self, rows: TrainingRows, champion: Champion | None, around: Around) -> Made:
        assert champion is not None, "there is no threshold without one"
        started, recent = time.perf_counter(), new_rows(rows, around)
        base = bare(champion, rows, "undecided")
        proba, score = base.predict_proba(recent.X), recent.metric.score
        wanted = around.spec.threshold
        cut = picked(proba, recent.y, rows.schema.task, score, recent.costs, wanted)
        behind = "label_thresholds:ThresholdedLabels"
        told: Any = cut
        if rows.schema.task == "binary":
            behind = "threshold:Thresholded"
        else:
            told = dict(zip(map(str, rows.schema.classes), np.asarray(cut).tolist(), strict=True))
        estimator = load(f"everloop.train.{behind}")(base, cut)
        spent = time.perf_counter() - started
        facts = {"threshold": told, "rows": len(recent.y)}
        note = (
            f"The threshold of version {champion.version} was chosen anew "
            f"({told if isinstance(told, dict) else f'{told:.3f}'}) on {len(recent.y):,} labelled "
            "rows that it had not seen; its probabilities are the same."
        )
        return touched(champion, estimator, spent, facts, note)


def picked(
    proba: np.ndarray,
    y: np.ndarray,
    task: Task,
    score: Score,
    costs: np.ndarray | None,
    wanted: float | str,
) -> Any:
    """The threshold that is best on these rows: a number, or one for each of several labels.

    Parameters
    ----------
    proba, y : n by k, and what was true. score, costs : greater is better; money, or None.
    wanted : ``train.threshold``; "cost" chooses by ``costs``, all else by ``score``.
    """
    if task == "multilabel":
        return load("everloop.train.label_thresholds:choose_thresholds")(proba, y, score)
    if wanted == "cost" and costs is not None:
        return load("everloop.train.threshold:cheapest_threshold")(proba, y, costs)[0]
    return load("everloop.train.threshold:choose_threshold")(proba, y, score)
