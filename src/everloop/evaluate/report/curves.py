"""The curves of each task: ROC, precision-recall and calibration here, those of numbers beside."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.report import numbers
from everloop.evaluate.report._base import Chart, Curve

POINTS = 150
BINS = 10
MOST_CLASSES = 4
CLASSES = ("binary", "multiclass", "multilabel", "anomaly")


def curves(
    schema: Schema,
    frame: pl.DataFrame,
    y: np.ndarray,
    answers: Answers,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> list[Chart]:
    """The charts that fit the task; none for a task without any.

    ``groups`` are codes of rows that are ranked together.
    """
    if schema.task == "ranking":
        together = np.zeros(len(y), dtype=np.int64) if groups is None else groups
        return numbers.ranking_charts(
            y.astype(np.float64), together, answers.pred.astype(np.float64)
        )
    if schema.numeric:
        return _of_numbers(schema, frame, y, answers, seed)
    if answers.proba is None or schema.task not in CLASSES or not len(y):
        return []
    if schema.task == "multilabel":
        counts = y.sum(axis=0)
        shown = {str(schema.classes[c]): int(c) for c in np.argsort(-counts)[:MOST_CLASSES]}
    elif len(schema.classes) == 2:
        shown = {str(schema.classes[1]): 1}
    else:
        counts = np.bincount(y[y >= 0], minlength=len(schema.classes))
        shown = {str(schema.classes[c]): int(c) for c in np.argsort(-counts)[:MOST_CLASSES]}
    truths = {
        name: (y[:, code] == 1 if y.ndim == 2 else y == code, answers.proba[:, code])
        for name, code in shown.items()
    }
    some = {n: pair for n, pair in truths.items() if 0 < pair[0].sum() < len(y)}
    if not some:
        return []
    share = ", ".join(f"{t.mean():.1%} {n}" for n, (t, _) in some.items())
    return [
        Chart("ROC", "false positive rate", "true positive rate",
              [Curve(n, roc(*pair)) for n, pair in some.items()], diagonal=True),
        Chart("Precision and recall", "recall", "precision",
              [Curve(n, precision_recall(*pair)) for n, pair in some.items()],
              note=f"Guessing would have a precision of {share}."),
        Chart("Calibration", "probability said", "share that came true",
              [Curve(n, calibration(*pair)) for n, pair in some.items()], diagonal=True,
              note="On the line, probabilities mean what they say."),
    ]  # fmt: skip


def _of_numbers(
    schema: Schema, frame: pl.DataFrame, y: np.ndarray, answers: Answers, seed: int
) -> list[Chart]:
    pred = answers.pred.astype(np.float64)
    truth = y.astype(np.float64)
    found = numbers.residuals(truth, pred, seed)
    if schema.task == "quantile" and answers.proba is not None:
        found = [*numbers.quantile_charts(truth, answers.proba), *found]
    if schema.persistence is not None and schema.time in frame.columns:
        found = [*numbers.over_time(frame[schema.time], truth, pred), *found]
    return found


def roc(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> list[tuple[float, float]]:
    """(false positive rate, true positive rate) from (0, 0) to (1, 1)."""
    hits, misses = _counts(truth, score)
    x, y = misses / max(int(misses[-1]), 1), hits / max(int(hits[-1]), 1)
    return _thin(np.r_[0.0, x], np.r_[0.0, y])


def precision_recall(
    truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> list[tuple[float, float]]:
    """(recall, precision) at every threshold, by rising recall."""
    hits, misses = _counts(truth, score)
    some = hits > 0
    return _thin((hits / hits[-1])[some], (hits / (hits + misses))[some])


def calibration(truth: NDArray[np.bool_], score: NDArray[np.float64]) -> list[tuple[float, float]]:
    """(mean probability, share that came true) of bins of equally many rows."""
    order = np.argsort(score, kind="stable")
    parts = [p for p in np.array_split(order, min(BINS, max(len(order) // 20, 1))) if len(p)]
    return [(float(score[p].mean()), float(truth[p].mean())) for p in parts]


def _counts(
    truth: NDArray[np.bool_], score: NDArray[np.float64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """True and false positives at each distinct score, from the highest; ties go together."""
    order = np.argsort(-score, kind="stable")
    hits = np.cumsum(truth[order].astype(np.int64))
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(order) - 1]
    found: NDArray[np.int64] = hits[last]
    return found, last + 1 - found


def _thin(x: NDArray[np.float64], y: NDArray[np.float64]) -> list[tuple[float, float]]:
    """At most ``POINTS`` points, evenly along the line."""
    if len(x) > POINTS:
        way = np.r_[0.0, np.cumsum(np.abs(np.diff(x)) + np.abs(np.diff(y)))]
        kept = np.unique(np.searchsorted(way, np.linspace(0, way[-1], POINTS)).clip(0, len(x) - 1))
        x, y = x[kept], y[kept]
    return [(round(float(a), 5), round(float(b), 5)) for a, b in zip(x, y, strict=True)]
