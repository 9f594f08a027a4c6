"""Two models on the same rows: which is better, and how sure that is."""

from __future__ import annotations

import msgspec
import numpy as np

from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import Metric
from everloop.evaluate.metrics._estimate import TAILS


class Comparison(msgspec.Struct, frozen=True):
    """How much better the challenger is, in the metric's unit.

    Attributes
    ----------
    difference : positive when the challenger is better, also where less is better.
    low, high : its 95 % interval.
    probability_better : share of the resamples in which the challenger is better; ties count half.
    n : rows compared.
    """

    difference: float
    low: float
    high: float
    probability_better: float
    n: int


def compare(
    metric: Metric, y: np.ndarray, challenger: Answers, champion: Answers, seed: int = 0
) -> Comparison:
    """Compare two models' answers to the same rows by a paired bootstrap (DeLong's for the AUC).

    The rows' luck is shared, so it falls out of the difference. All NaN where the metric has no
    value on these rows.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    ours, theirs = (metric.function(y, a.pred, a.proba) for a in (challenger, champion))
    difference = sign * (ours - theirs)
    if not np.isfinite(difference):
        nan = float("nan")
        return Comparison(nan, nan, nan, nan, len(y))
    drawn = metric.draws(y, [challenger, champion], np.random.default_rng(seed))
    drawn = sign * (drawn[:, 0] - drawn[:, 1])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, TAILS)
    better = float(np.mean(drawn > 0) + 0.5 * np.mean(drawn == 0))
    return Comparison(difference, float(low), float(high), better, len(y))
