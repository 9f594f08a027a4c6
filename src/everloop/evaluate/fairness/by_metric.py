"""How well each group is served, where no class is the favourable one: metrics by group.

What Fairlearn's ``MetricFrame`` computes, with intervals; the tests compare every number with it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from everloop.data.schema import Schema, Task
from everloop.errors import invalid
from everloop.evaluate.answers import Answers
from everloop.evaluate.fairness.gaps import level_of, widest
from everloop.evaluate.fairness.groups import (
    MIN_ROWS,
    Fairness,
    Group,
    GroupGap,
    Measure,
    Z,
    by_group,
    group_names,
    wilson,
)
from everloop.evaluate.metrics import Estimate, Metric, at_level, get_metric

MOST_RECALLS = 6  # classes whose recalls are shown one by one
BY_TASK: dict[Task, tuple[str, ...]] = {
    "multiclass": ("accuracy", "balanced_accuracy"),
    "multilabel": ("f1_micro", "subset_accuracy"),
    "regression": ("mae", "rmse"),
    "quantile": ("pinball", "coverage"),
    "ranking": ("ndcg",),
    "anomaly": ("flagged", "recall"),
    "bandit": ("value_dr",),
}
NO_MEASURE: dict[Task, str] = {
    "policy": "A policy is judged by whole episodes of its environment, which belong to no group "
    "of people: there is nothing to compare by group."
}


@dataclass(frozen=True)
class Judged:
    """Held-out rows and what was answered to them.

    Attributes
    ----------
    frame, y, answers : n rows, their targets, and the answers.
    metric : what the model is judged by, shown beside the task's own; None for these alone.
    lists : codes of the rows that are ranked together; None where nothing is ranked.
    seed : of resampling.
    """

    schema: Schema
    frame: pl.DataFrame
    y: np.ndarray
    answers: Answers
    metric: Metric | None = None
    lists: np.ndarray | None = None
    seed: int = 0

    def on(self, rows: np.ndarray) -> tuple[np.ndarray, Answers, np.ndarray | None]:
        """Targets, answers and lists of some of the rows, n booleans."""
        return (
            self.y[rows],
            self.answers.on(rows),
            None if self.lists is None else self.lists[rows],
        )


def fairness(judged: Judged, columns: Sequence[str]) -> Fairness:
    """Rates by group of a binary target, metrics by group of any other.

    Raises :class:`~everloop.errors.InvalidInput` for a task without groups, a column that is not
    there, more than 50 groups, and a ranking whose lists mix the groups.
    """
    if why := NO_MEASURE.get(judged.schema.task):
        raise invalid("task", judged.schema.task, f"a task whose rows have groups. {why}",
                      code="wrong_task")  # fmt: skip
    if judged.schema.task == "binary":
        return by_group(judged.frame, columns, judged.y, judged.answers.pred)
    return metrics_by_group(judged, columns)


def metrics_by_group(judged: Judged, columns: Sequence[str]) -> Fairness:
    """The task's metrics on every row, by group, and how far apart the groups are."""
    names = group_names(judged.frame, columns)
    _check_lists(judged, names, columns)
    shown = _shown(judged)
    groups = [_group(judged, shown, str(name), names == name) for name in np.unique(names)]
    groups.sort(key=lambda g: (-g.rows, g.name))
    enough = [g for g in groups if g.judged]
    return Fairness(
        columns=list(columns),
        groups=groups,
        overall=_group(judged, shown, "all", np.ones(len(names), dtype=bool)),
        gaps=[gap for m in shown if (gap := _gap(judged, m, enough, names)) is not None],
    )


def _shown(judged: Judged) -> list[Metric]:
    """The judging metric first, if resampling it is quick; then the task's own."""
    schema, found = judged.schema, []
    if judged.metric is not None and schema.task in judged.metric.tasks:
        found.append(judged.metric)
    known = {metric.name for metric in found}
    found += [get_metric(name) for name in BY_TASK[schema.task] if name not in known]
    if judged.answers.proba is None:
        found = [metric for metric in found if not metric.needs_probabilities]
    return [metric for metric in found if type(metric).draws is not Metric.draws]


def _group(judged: Judged, shown: list[Metric], name: str, rows: np.ndarray) -> Group:
    y, answers, lists = judged.on(rows)
    units = len(y) if lists is None else len(np.unique(lists))
    metrics = {m.name: _measure(_estimate(judged, m, rows, 0.05), units) for m in shown}
    return Group(
        name=name,
        rows=len(y),
        judged=units >= MIN_ROWS,
        metrics=metrics | _extra(judged.schema, y, answers.pred),
    )


def _extra(schema: Schema, y: np.ndarray, pred: np.ndarray) -> dict[str, Measure]:
    """The recall of each of a few classes; of numbers the mean error, which has a direction."""
    if schema.task == "multiclass" and len(schema.classes) <= MOST_RECALLS:
        return {
            f"recall of {label}": wilson(int(((pred == k) & (y == k)).sum()), int((y == k).sum()))
            for k, label in enumerate(schema.classes)
        }
    if schema.task in ("regression", "quantile") and len(y):
        error = pred - y
        mean, half = float(error.mean()), Z * float(error.std()) / math.sqrt(len(y))
        return {"mean_error": Measure(mean, mean - half, mean + half, len(y))}
    return {}


def _gap(judged: Judged, metric: Metric, groups: list[Group], names: np.ndarray) -> GroupGap | None:
    known = [g.name for g in groups if g.metrics[metric.name].value is not None]
    if len(known) < 2:
        return None
    level = level_of(len(known))
    found = {name: _estimate(judged, metric, names == name, level) for name in known}
    return widest(metric.name, {name: one for name, one in found.items() if one is not None})


def _estimate(judged: Judged, metric: Metric, rows: np.ndarray, level: float) -> Estimate | None:
    """None where the metric has no value on these rows."""
    if metric.needs_labels and judged.schema.task == "anomaly":
        rows = rows & (judged.y >= 0)
    y, answers, lists = judged.on(rows)
    if not len(y) or metric.undefined(y):
        return None
    bound = metric if lists is None else metric.grouped(lists)
    found = at_level(bound, y, answers, level, judged.seed)
    return found if math.isfinite(found.value) else None


def _measure(found: Estimate | None, units: int) -> Measure:
    if found is None:
        return Measure(None, None, None, units)
    return Measure(found.value, found.low, found.high, found.n)


def _check_lists(judged: Judged, names: np.ndarray, columns: Sequence[str]) -> None:
    if judged.lists is None:
        return
    pairs = {(code, name) for code, name in zip(judged.lists.tolist(), names, strict=True)}
    if len(pairs) > len(np.unique(judged.lists)):
        raise invalid(
            "group",
            " × ".join(columns),
            "columns that are the same for all rows of a list, since a list is ranked as a whole",
        )
