"""A metric's value with its 95 % interval."""

from __future__ import annotations

from statistics import NormalDist

import msgspec
import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics._base import Metric
from everloop.extensions import metrics

TAILS = (0.025, 0.975)
DEFAULTS: dict[Task, str] = {
    "regression": "rmse",
    "binary": "roc_auc",
    "multiclass": "accuracy",
    "multilabel": "f1_micro",
    "policy": "mean_return",
    "quantile": "pinball",
    "ranking": "ndcg",
    "anomaly": "average_precision",
    "bandit": "value_dr",
}


class Estimate(msgspec.Struct, frozen=True):
    """``value`` on n rows, and the interval that holds the true one in 95 of 100 samples."""

    value: float
    low: float
    high: float
    n: int


def get_metric(name: str, field: str = "evaluate.metric") -> Metric:
    """The metric called ``name``.

    Raises :class:`~everloop.errors.InvalidInput` with the nearest valid name.
    """
    found: Metric = metrics.get(name, field)(name)
    return found


def default_metric(task: Task) -> Metric:
    """What a task is judged by when the loop file says nothing."""
    return get_metric(DEFAULTS[task])


def metric_names(task: Task | None = None) -> list[str]:
    """Metrics that can judge ``task``."""
    return [name for name, cls in metrics if task is None or task in cls.tasks]


def estimate(
    metric: Metric, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None, seed: int = 0
) -> Estimate:
    """The metric's value on these rows and its interval; all NaN where it has no value.

    Parameters
    ----------
    y, pred : n codes (int64) or n floats. proba : n by k, or None for regression.
    seed : of the resampling.
    """
    value = metric.function(y, pred, proba)
    if not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"), len(y))
    drawn = metric.draws(y, [Answers(pred, proba)], np.random.default_rng(seed))[:, 0]
    low, high = np.nanquantile(drawn, TAILS)
    low, high = min(low, value), max(high, value)
    if low == high:
        low, high = _no_spread(metric, value, len(y))
    lowest, highest = metric.bounds
    low, high = (float(np.clip(v, lowest, highest)) for v in (low, high))
    return Estimate(value, low, high, len(y))


def at_level(
    metric: Metric, y: np.ndarray, answers: Answers, level: float, seed: int = 0
) -> Estimate:
    """The metric's value with an interval that is wrong with chance ``level``.

    By the normal approximation of its resamples: for levels whose quantiles are too far out for
    their number. All NaN where the metric has no value.
    """
    value = metric.function(y, answers.pred, answers.proba)
    if not np.isfinite(value):
        return Estimate(value, float("nan"), float("nan"), len(y))
    drawn = metric.draws(y, [answers], np.random.default_rng(seed))[:, 0]
    half = float(NormalDist().inv_cdf(1 - level / 2) * np.nanstd(drawn))
    low, high = value - half, value + half
    if low == high:
        low, high = _no_spread(metric, value, len(y), level)
    low, high = (float(np.clip(v, *metric.bounds)) for v in (low, high))
    return Estimate(value, low, high, len(y))


def _no_spread(metric: Metric, value: float, n: int, level: float = 0.05) -> tuple[float, float]:
    """Room for what n rows cannot have shown, when every resample says the same.

    n successes of n are compatible with a rate of ``(level / 2)^(1/n)`` (Clopper and Pearson,
    1934).
    """
    lowest, highest = metric.bounds
    if lowest is None or highest is None:
        return value, value
    room = (1.0 - (level / 2) ** (1.0 / n)) * (highest - lowest)
    return value - room, value + room
