"""What a metric is.

A metric turns what was true and what was answered into one number, and says how sure that number
is. It is stateless. To add one, write a class in a file of its own and register it::

    @metrics.register("hit_rate")
    class HitRate(MomentMetric):
        tasks = frozenset({"binary", "multiclass"})

        def rows(self, y, pred, proba):
            return (y == pred)[:, None].astype(float)

Obligations. ``function`` takes n codes or floats (of several labels a row, n by k of 0 and 1) and,
where ``needs_probabilities`` is set,
probabilities n by k (for the task quantile: the quantiles, then
their levels, n by 2q); it answers NaN where the metric
has no value (``undefined`` says why), and never raises for valid input. ``draws`` answers how
several models' values vary together over resamples of the *same* rows: intervals and paired
comparisons both come from it. A subclass that only has ``function`` gets both by resampling rows;
one that is a function of means over rows should be a :class:`MomentMetric`, which is much faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import ClassVar

import numpy as np

from everloop.data.schema import Task
from everloop.evaluate.answers import Answers

CLASSIFICATION: frozenset[Task] = frozenset({"binary", "multiclass", "anomaly"})
BINARY: frozenset[Task] = frozenset({"binary", "anomaly"})
REGRESSION: frozenset[Task] = frozenset({"regression", "quantile"})
QUANTILE: frozenset[Task] = frozenset({"quantile"})

RESAMPLES = 1_000
BLOCKS = 2_000  # more rows than this are summed into so many random blocks first
PLAIN_RESAMPLES = 200  # of a metric that has to be computed anew each time
PLAIN_ROWS = 2_000  # rows in each of those


class Metric:
    """A number that says how good answers are.

    Attributes
    ----------
    name : its plain name in the loop file.
    tasks : what it can judge.
    greater_is_better : False for errors and losses.
    needs_probabilities : whether ``proba`` must be given.
    needs_labels : False for what answers alone tell; ``y`` is then not read.
    bounds : smallest and largest possible value; None where there is none.
    same_as : another name of the same number, which reports show instead.
    """

    tasks: ClassVar[frozenset[Task]] = CLASSIFICATION
    greater_is_better: ClassVar[bool] = True
    needs_probabilities: ClassVar[bool] = False
    needs_labels: ClassVar[bool] = True
    bounds: ClassVar[tuple[float | None, float | None]] = (0.0, 1.0)
    same_as: ClassVar[str | None] = None

    def __init__(self, name: str) -> None:
        self.name = name

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        """The metric's value; NaN when it has none."""
        raise NotImplementedError

    def grouped(self, groups: np.ndarray) -> Metric:
        """The metric for rows of which those with equal codes belong together (a ranking)."""
        return self

    def with_costs(self, costs: np.ndarray) -> Metric:
        """The metric by a table of costs in money, true classes by answered ones."""
        return self

    def score(
        self,
        y: np.ndarray,
        pred: np.ndarray,
        proba: np.ndarray | None,
        groups: np.ndarray | None = None,
    ) -> float:
        """The value with its sign turned where less is better, for choosing the greatest."""
        metric = self if groups is None else self.grouped(groups)
        value = metric.function(y, pred, proba)
        return value if self.greater_is_better else -value

    def undefined(self, y: np.ndarray) -> str | None:
        """Why the metric has no value on these rows; None when it has one."""
        return "there are no rows" if len(y) == 0 else None

    def unsupported(self, y: np.ndarray, answers: Answers) -> str | None:
        """Why these rows say too little about these answers; None when they say enough."""
        return None

    def draws(
        self, y: np.ndarray, answers: Sequence[Answers], rng: np.random.Generator
    ) -> np.ndarray:
        """Values under resampling, resamples by models; each resample is shared by all models.

        Here: m of n rows at a time (Bickel, Götze and van Zwet, 1997), with deviations scaled by
        ``sqrt(m / n)``.
        """
        n, m = len(y), min(len(y), PLAIN_ROWS)
        values = np.array([self.function(y, a.pred, a.proba) for a in answers])
        drawn = np.empty((PLAIN_RESAMPLES, len(answers)))
        for b in range(PLAIN_RESAMPLES):
            rows = rng.integers(0, n, m)
            for j, a in enumerate(answers):
                proba = None if a.proba is None else a.proba[rows]
                drawn[b, j] = self.function(y[rows], a.pred[rows], proba)
        return np.asarray(values + (drawn - values) * np.sqrt(m / n))


class MomentMetric(Metric):
    """A metric that is a function of the means of some columns over the rows."""

    def rows(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> np.ndarray:
        """The columns to average, n by d."""
        raise NotImplementedError

    def of_means(self, means: np.ndarray) -> np.ndarray:
        """The metric of the columns' means; ``means`` is … by d, the result …."""
        return means[..., 0]

    def function(self, y: np.ndarray, pred: np.ndarray, proba: np.ndarray | None) -> float:
        if self.undefined(y):
            return float("nan")
        return float(self.of_means(self.rows(y, pred, proba).mean(axis=0)))

    def draws(
        self, y: np.ndarray, answers: Sequence[Answers], rng: np.random.Generator
    ) -> np.ndarray:
        """The bootstrap (Efron, 1979).

        Of many rows, random blocks are summed once and then resampled: block sums of independent
        rows are independent too, and the variance of their mean is that of the rows' mean.
        """
        columns = [self.rows(y, a.pred, a.proba) for a in answers]
        width = columns[0].shape[1]
        table = np.column_stack([np.ones(len(y)), *columns])
        seed = int(rng.integers(2**62))
        if len(y) > BLOCKS:
            order = _shuffled(len(y), seed)
            starts = np.linspace(0, len(y), BLOCKS, endpoint=False).astype(np.int64)
            table = np.add.reduceat(table[order], starts, axis=0)
        sums = _times_drawn(len(table), seed) @ table
        means = sums[:, 1:] / sums[:, :1]
        parts = [means[:, j * width : (j + 1) * width] for j in range(len(answers))]
        return np.column_stack([self.of_means(part) for part in parts])


# The metrics of one evaluation share their seed, and so may share what it makes.
@lru_cache(maxsize=1)
def _shuffled(n: int, seed: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(n)


@lru_cache(maxsize=1)
def _times_drawn(n: int, seed: int) -> np.ndarray:
    """How often each of n rows is drawn in each resample, ``RESAMPLES`` by n."""
    chosen = np.random.default_rng(seed).integers(0, n, (RESAMPLES, n))
    chosen += np.arange(RESAMPLES)[:, None] * n
    counts = np.bincount(chosen.ravel(), minlength=RESAMPLES * n)
    return counts.reshape(RESAMPLES, n).astype(np.float64)


def column(values: np.ndarray) -> np.ndarray:
    """One value a row as a table of one column."""
    return np.asarray(values, dtype=np.float64).reshape(-1, 1)


def one_class(y: np.ndarray) -> str | None:
    """The reason why nothing can be said about telling classes apart."""
    if len(y) == 0:
        return "there are no rows"
    return "all rows are of one class" if np.all(y == y[0]) else None
