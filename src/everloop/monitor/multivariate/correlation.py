"""Whether pairs of features still go together as they did."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy
from numpy.typing import NDArray

from everloop.extensions import multivariate_tests
from everloop.monitor.deviations import SURE, Deviations
from everloop.monitor.drift._base import Shift
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together
from everloop.monitor.multivariate.matrix import Matrix

Floats = NDArray[np.float64]

TOLERANCE = 0.05  # of Fisher's z, that no real stream is without
MOST = 0.999  # correlation beyond which two columns count as one
SPREAD = 1.06  # variance of Fisher's z of a rank correlation, times the rows


class Pairs:
    """All pairs as one direction: the mean of the bets on each."""

    name = "correlation"
    weight = 1.0

    def __init__(self, change: Floats, draws: Floats, doubt: Floats) -> None:
        self.change, self.draws, self.doubt = change, draws, doubt

    @property
    def away(self) -> float:
        """The largest change of Fisher's z."""
        return float(self.change[np.abs(self.change).argmax()])

    def log_e(self, sign: int, stake: float, draws: float, margin: float) -> float:
        margins = np.maximum(margin, SURE * self.doubt)
        each = stake * np.sqrt(self.draws) * (sign * self.change - margins) - stake**2 / 2
        return float(scipy.special.logsumexp(each) - math.log(len(each)))


@multivariate_tests.register("correlation")
class Correlation(MultivariateTest):
    """The largest change of a rank correlation (Spearman 1904), by Fisher's z.

    Ranks are taken within each sample, so a change of one feature alone is not seen here. The
    variance of z is that of Fieller, Hartley & Pearson (Biometrika 1957), for rows that are worth
    what both features together allow. The p-value is Bonferroni's over the pairs; the effect is
    half the change of the correlation.
    """

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        moving = window.values.std(axis=0) > 0 if window.rows >= FEW else np.zeros(0, dtype=bool)
        if reference.rows < FEW or moving.sum() < 2:
            return None
        old, new = _known(reference, moving), _correlations(window.values[:, moving])
        names = [name for name, kept in zip(reference.features, moving, strict=True) if kept]
        first, second = _pairs(tuple(names))
        if not len(first):
            return None
        before, now = old[first, second], new[first, second]
        change = np.arctanh(now) - np.arctanh(before)
        pairs = Pairs(
            change,
            _draws(window, moving, first, second),
            1 / np.sqrt(_draws(reference, moving, first, second)),
        )
        error = np.sqrt(1 / pairs.draws + pairs.doubt**2)
        score = np.maximum(np.abs(change) - TOLERANCE, 0.0) / error
        p_value = min(1.0, len(change) * float(2 * scipy.special.ndtr(-score.max())))
        most = int(np.argmax(score))
        a, b = names[first[most]], names[second[most]]
        summary = f"correlation of {a} and {b} {before[most]:.2f} → {now[most]:.2f}"
        effect = float(abs(now[most] - before[most]) / 2)
        draws = float(pairs.draws[most])
        shift = Shift(float(score.max()), effect, p_value, draws, summary)
        return Together(shift, Deviations((pairs,), draws, 0.0))


@lru_cache(8)
def _pairs(names: tuple[str, ...]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """All pairs of columns that are not of one feature."""
    first, second = np.triu_indices(len(names), 1)
    apart = np.array([names[a] != names[b] for a, b in zip(first, second, strict=True)], dtype=bool)
    return first[apart], second[apart]


def _known(reference: Matrix, moving: NDArray[np.bool_]) -> Floats:
    """The correlations of a reference; of one that comes again those of its last columns are
    kept."""
    if reference.kept is None:
        return _correlations(reference.values[:, moving])
    mark = moving.tobytes()
    found = reference.kept.get(mark)
    if found is None:
        found = _correlations(reference.values[:, moving])
        reference.kept.clear()
        reference.kept[mark] = found
    return found


def _correlations(values: Floats) -> Floats:
    """Spearman's, d by d; 0 for a constant column."""
    ranks = np.column_stack([_ranks(column) for column in values.T])
    ranks -= ranks.mean(axis=0)
    size = np.sqrt((ranks**2).sum(axis=0))
    ranks /= np.where(size > 0, size, 1.0)
    found: Floats = np.clip(ranks.T @ ranks, -MOST, MOST)
    return found


def _ranks(values: Floats) -> Floats:
    """Ties share the mean of their ranks."""
    ordered = np.sort(values)
    left = np.searchsorted(ordered, values, side="left")
    found: Floats = (left + np.searchsorted(ordered, values, side="right")) / 2
    return found


def _draws(
    matrix: Matrix, moving: NDArray[np.bool_], first: NDArray[np.intp], second: NDArray[np.intp]
) -> Floats:
    """Independent rows of each pair, over the variance of z."""
    stretches = matrix.stretches[moving]
    per_draw = np.sqrt(stretches[first] * stretches[second])
    return np.maximum(1.0, matrix.rows / per_draw / SPREAD)
