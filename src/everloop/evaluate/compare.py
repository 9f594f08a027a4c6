"""Two models on the same rows: which is better, and how sure that is."""

from __future__ import annotations

import math
from statistics import NormalDist

import msgspec
import numpy as np
import scipy

from everloop.evaluate.answers import Answers
from everloop.evaluate.metrics import Metric
from everloop.evaluate.metrics._estimate import TAILS

LEVEL = 0.05
BOOTSTRAP = "paired bootstrap"
DELONG = "DeLong"
MCNEMAR = "McNemar, mid-p"


class Comparison(msgspec.Struct, frozen=True):
    """How much better the challenger is, in the metric's unit.

    Attributes
    ----------
    difference : positive when the challenger is better, also where less is better.
    low, high : its 95 % interval, unless another level was asked for.
    probability_better : share of the resamples in which the challenger is better; ties count half.
    n : rows compared.
    p_value : one-sided, of a difference as large when the challenger is no better than ``bound``.
    test : what the interval and the p-value come from.
    """

    difference: float
    low: float
    high: float
    probability_better: float
    n: int
    p_value: float = 1.0
    test: str = BOOTSTRAP


def compare(
    metric: Metric,
    y: np.ndarray,
    challenger: Answers,
    champion: Answers,
    seed: int = 0,
    bound: float = 0.0,
    level: float = LEVEL,
) -> Comparison:
    """Compare two models' answers to the same rows, with an interval that is wrong with chance
    ``level``.

    The rows' luck is shared, so it falls out of the difference. The AUC is compared by DeLong's
    test, accuracy by McNemar's, any other metric by a paired bootstrap. All NaN where the metric
    has no value on these rows.
    """
    sign = 1.0 if metric.greater_is_better else -1.0
    ours, theirs = (metric.function(y, a.pred, a.proba) for a in (challenger, champion))
    difference = sign * (ours - theirs)
    if not np.isfinite(difference):
        nan = float("nan")
        return Comparison(nan, nan, nan, nan, len(y))
    if metric.name == "accuracy":
        return _mcnemar(y, challenger, champion, bound, level)
    drawn = metric.draws(y, [challenger, champion], np.random.default_rng(seed))
    drawn = sign * (drawn[:, 0] - drawn[:, 1])
    drawn = drawn[np.isfinite(drawn)]
    low, high = np.quantile(drawn, TAILS) if level == LEVEL else _beyond(drawn, difference, level)
    better = float(np.mean(drawn > 0) + 0.5 * np.mean(drawn == 0))
    p_value = max(float(np.mean(drawn <= bound)), 1.0 / (len(drawn) + 1))
    test = DELONG if metric.name == "roc_auc" else BOOTSTRAP
    return Comparison(difference, float(low), float(high), better, len(y), p_value, test)


def _beyond(drawn: np.ndarray, value: float, level: float) -> tuple[float, float]:
    """The normal interval: the quantiles of a small level lie further out than resamples go."""
    half = NormalDist().inv_cdf(1 - level / 2) * float(np.std(drawn))
    return value - half, value + half


def _mcnemar(
    y: np.ndarray, challenger: Answers, champion: Answers, bound: float, level: float
) -> Comparison:
    """Only rows where one is right and the other wrong speak (McNemar, 1947).

    Of m such rows the challenger is right in b; b is binomial. The mid-p version is nearer to its
    nominal level than the exact one (Fagerland, Lydersen and Laake, 2013), and the interval is the
    one that it does not reject.
    """
    n = len(y)
    ours, theirs = challenger.pred == y, champion.pred == y
    b, c = int(np.sum(ours & ~theirs)), int(np.sum(theirs & ~ours))
    m = b + c
    if m == 0:
        return Comparison(0.0, 0.0, 0.0, 0.5, n, float(bound >= 0), MCNEMAR)
    low, high = ((2 * share - 1) * m / n for share in _mid_p_interval(b, m, level / 2))
    share = float(np.clip((bound * n / m + 1) / 2, 0.0, 1.0))
    return Comparison(
        (b - c) / n, low, high, 1.0 - _above(b, m, 0.5), n, _above(b, m, share), MCNEMAR
    )


def _above(b: int, m: int, share: float) -> float:
    """The mid-p of b or more of m."""
    return float(0.5 * (scipy.special.bdtrc(b, m, share) + scipy.special.bdtrc(b - 1, m, share)))


def _mid_p_interval(b: int, m: int, tail: float) -> tuple[float, float]:
    low = 0.0 if b == 0 else _share_at(b, m, tail)
    high = 1.0 if b == m else _share_at(b, m, 1.0 - tail)
    return low, high


def _share_at(b: int, m: int, level: float) -> float:
    """The share at which :func:`_above` is ``level``; it rises with the share, so halving finds it.

    SciPy's solvers would do as well, but importing them costs each process half a second.
    """
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _above(b, m, middle) < level:
            low = middle
        else:
            high = middle
    return low


def adjusted(p_values: list[float]) -> list[float]:
    """p-values of several claims, so that all of them together are wrong as seldom as one alone.

    Hochberg's step-up procedure (1988), valid for claims that are independent or pull the same
    way, as those of several metrics on the same rows do. When all p-values are small it asks for
    no more than each alone, so that a challenger which meets every gate loses nothing.
    """
    order = sorted(range(len(p_values)), key=lambda i: p_values[i], reverse=True)
    out, least = [1.0] * len(p_values), math.inf
    for rank, index in enumerate(order, start=1):
        least = min(least, rank * p_values[index])
        out[index] = min(least, 1.0)
    return out
