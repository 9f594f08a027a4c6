"""ROC, precision-recall, calibration and residuals, thinned to what an eye can tell."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.report._base import Chart, Curve

POINTS = 150
DOTS = 400
BINS = 10
MOST_CLASSES = 4
CLASSES = ("binary", "multiclass", "anomaly")


def curves(schema: Schema, y: np.ndarray, answers: Answers, seed: int = 0) -> list[Chart]:
    """The charts that fit the task; none for a task without any."""
    if schema.task in ("regression", "quantile", "ranking"):
        return residuals(y.astype(np.float64), answers.pred.astype(np.float64), seed)
    if answers.proba is None or y.ndim != 1 or schema.task not in CLASSES:
        return []
    if len(schema.classes) == 2:
        shown = {str(schema.classes[1]): 1}
    else:
        counts = np.bincount(y[y >= 0], minlength=len(schema.classes))
        shown = {str(schema.classes[c]): int(c) for c in np.argsort(-counts)[:MOST_CLASSES]}
    truths = {name: (y == code, answers.proba[:, code]) for name, code in shown.items()}
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


def residuals(y: NDArray[np.float64], pred: NDArray[np.float64], seed: int) -> list[Chart]:
    """Residuals over the predictions, and how they are spread."""
    chosen = np.arange(len(y))
    if len(y) > DOTS:
        chosen = np.sort(np.random.default_rng(seed).choice(len(y), DOTS, replace=False))
    left = y - pred
    dots = [(float(pred[i]), float(left[i])) for i in chosen[np.argsort(pred[chosen])]]
    low, high = np.quantile(left, [0.005, 0.995])
    counts, edges = np.histogram(left, bins=30, range=(float(low), float(high) + 1e-12))
    middles = (edges[1:] + edges[:-1]) / 2
    spread = [(float(x), float(c / len(y))) for x, c in zip(middles, counts, strict=True)]
    said = [(float(pred[i]), float(y[i])) for i in chosen[np.argsort(pred[chosen])]]
    return [
        Chart("Predicted and actual", "predicted", "actual", [Curve("row", said)],
              diagonal=True, dots=True),
        Chart("Residuals", "predicted", "actual − predicted", [Curve("row", dots)], dots=True,
              note="A pattern here is something the model has not learned."),
        Chart("Spread of the residuals", "actual − predicted", "share of rows",
              [Curve("rows", spread)]),
    ]  # fmt: skip


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
