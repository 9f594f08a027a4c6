"""Where the model is worst: slices of each feature's values."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import polars as pl

from everloop.data.frames import counted
from everloop.data.schema import Schema
from everloop.evaluate.answers import Answers
from everloop.evaluate.fairness.groups import plain_edges, wilson
from everloop.evaluate.metrics import Metric, estimate
from everloop.evaluate.report._base import Slice, Slices

MIN_ROWS = 50
WORST = 8
LEVELS = 12
MANY = 2_000  # rows whose interval is too narrow to be worth its resampling
ROWS = 50_000
SLICED = ("number", "boolean", "category")


def slices(
    schema: Schema,
    frame: pl.DataFrame,
    y: np.ndarray,
    answers: Answers,
    metric: Metric,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> Slices:
    """The metric in every slice of a feature's values with 50 rows, the worst ones first.

    A number is cut at its quartiles, as fairness cuts. Of classes the share of right answers is
    sliced, whose interval is known at any size; of numbers the metric itself, whose interval is
    found for the worst of up to 2,000 rows. ``groups`` are codes of rows that are ranked together.
    """
    if frame.height > ROWS:
        frame, y = frame.head(ROWS), y[:ROWS]
        answers = Answers(
            answers.pred[:ROWS], None if answers.proba is None else answers.proba[:ROWS]
        )
    shares = not schema.numeric

    def bound(rows: np.ndarray) -> Metric:
        return metric if groups is None else metric.grouped(groups[rows])

    def measured(name: str, rows: np.ndarray) -> Slice:
        return _measured(name, rows, y, answers, None if shares else bound(rows))

    found = []
    for feature in schema.features:
        if feature.kind not in SLICED or feature.name not in frame.columns:
            continue
        for name, rows in _groups(frame[feature.name], feature.name):
            if len(rows) >= MIN_ROWS:
                one = measured(name, rows)
                if np.isfinite(one.value):
                    found.append((one, rows))
    better = shares or metric.greater_is_better
    found.sort(key=lambda pair: pair[0].value if better else -pair[0].value)
    whole = measured("all", np.arange(len(y)))
    worst = [one for one, _ in found[:WORST]]
    if not shares:
        worst = [
            _with_interval(one, rows, y, answers, bound(rows), seed) for one, rows in found[:WORST]
        ]
    return Slices("accuracy" if shares else metric.name, whole.value, worst, len(found))


def _with_interval(
    one: Slice, rows: np.ndarray, y: np.ndarray, answers: Answers, metric: Metric, seed: int
) -> Slice:
    if one.rows > MANY:
        return one
    proba = None if answers.proba is None else answers.proba[rows]
    found = estimate(metric, y[rows], answers.pred[rows], proba, seed)
    return Slice(one.name, one.rows, one.value, found.low, found.high)


def _measured(
    name: str, rows: np.ndarray, y: np.ndarray, answers: Answers, metric: Metric | None
) -> Slice:
    if metric is None:
        right = y[rows] == answers.pred[rows]
        if right.ndim > 1:
            right = right.all(axis=1)
        share = wilson(int(right.sum()), len(rows))
        return Slice(name, len(rows), share.value or 0.0, share.low, share.high)
    proba = None if answers.proba is None else answers.proba[rows]
    value = metric.function(y[rows], answers.pred[rows], proba)
    return Slice(name, len(rows), float(value), None, None)


def _groups(series: pl.Series, name: str) -> list[tuple[str, np.ndarray]]:
    missing = np.flatnonzero(series.is_null().to_numpy())
    out = [(f"{name} is missing", missing)] if len(missing) else []
    if series.dtype.is_numeric() and series.n_unique() > LEVELS:
        values = series.cast(pl.Float64).to_numpy()
        known = values[np.isfinite(values)]
        cuts = np.unique(np.quantile(known, [0, 0.25, 0.5, 0.75, 1])) if len(known) else known
        edges = plain_edges(cuts)
        for i, (low, high) in enumerate(pairwise(cuts)):
            last = i == len(cuts) - 2
            inside = (values >= low) & ((values <= high) if last else (values < high))
            sign = "≤" if last else "<"
            out.append((f"{edges[i]} ≤ {name} {sign} {edges[i + 1]}", np.flatnonzero(inside)))
        return out
    text = series.cast(pl.String)
    for level in counted(text.drop_nulls())["value"].head(LEVELS):
        same = (text == level).fill_null(False)
        out.append((f"{name} = {level}", np.flatnonzero(same.to_numpy())))
    return out
