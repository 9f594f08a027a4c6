"""Since when: the row after which a column is distributed otherwise, with an interval."""

from __future__ import annotations

from typing import NamedTuple

import msgspec
import numpy as np
import scipy

from everloop.monitor.dependence import rows_per_draw
from everloop.monitor.profile import Floats, Ints

PRIOR = 0.5  # of each level's share: Jeffreys
FEWEST = 30  # rows on either side of a change
SURE = 3.0  # log of the odds that something changed: 20 to 1
COVERAGE = 0.95


class ChangePoint(msgspec.Struct, frozen=True):
    """When something changed, in ms of event time; it lies in ``[low, high]`` with 95 %.

    ``odds`` is the logarithm of how much likelier one change is than none.
    """

    at: int
    low: int
    high: int
    odds: float


class Spot(NamedTuple):
    """A place in the rows: the first row after the change, and its interval."""

    row: int
    low: int
    high: int
    odds: float


def find_change(codes: Ints, levels: int, times: Ints) -> ChangePoint | None:
    """The one change that ``codes`` (0 … levels-1, rows in time order) speak for, if they do."""
    spot = locate(codes, levels)
    if spot is None:
        return None
    low, high = int(times[max(spot.low - 1, 0)]), int(times[spot.high])
    return ChangePoint(int(times[spot.row]), low, high, round(spot.odds, 1))


def locate(codes: Ints, levels: int) -> Spot | None:
    """The same in numbers of rows; None when no change is 20 times likelier than none.

    The exact posterior of one change-point in a sequence of draws (Smith, Biometrika 1975): the
    shares of the levels before and after have Dirichlet priors and are integrated out, so each
    cut's likelihood is a ratio of gamma functions of the counts on its sides, and every row is a
    candidate. Rows that resemble their neighbours are worth fewer draws: counts are divided by
    the design effect within stretches, so that a season is no change at each of its days.
    """
    n = len(codes)
    if n < 2 * FEWEST:
        return None
    # The change itself makes rows alike: dependence is what is left on either side of it.
    spot = _posterior(codes, levels, 1.0)
    if spot.odds < SURE:
        return None
    worth = max(rows_per_draw(part, levels) for part in (codes[: spot.row], codes[spot.row :]))
    spot = _posterior(codes, levels, worth) if worth > 1 else spot
    return spot if spot.odds >= SURE else None


def _posterior(codes: Ints, levels: int, worth: float) -> Spot:
    n = len(codes)
    cuts = np.arange(FEWEST, n - FEWEST + 1)
    total = np.bincount(codes, minlength=levels) / worth
    evidence = -_log_marginal(total[None, :])[0] + np.zeros(len(cuts))
    before = np.zeros((len(cuts), levels))
    for level in range(levels):
        before[:, level] = np.cumsum(codes == level)[cuts - 1] / worth
    evidence += _log_marginal(before) + _log_marginal(total - before)
    whole = float(scipy.special.logsumexp(evidence))
    share = np.cumsum(np.exp(evidence - whole))
    low, high = np.searchsorted(share, [(1 - COVERAGE) / 2, (1 + COVERAGE) / 2])
    best = int(np.argmax(evidence))
    last = len(cuts) - 1
    odds = whole - float(np.log(len(cuts)))
    return Spot(
        int(cuts[best]),
        int(cuts[min(low, best)]),
        int(cuts[min(max(high, best), last)]) - (1 if high >= last else 0),
        odds,
    )


def _log_marginal(counts: Floats) -> Floats:
    """Log probability of draws with these counts per level, their shares integrated out."""
    levels = counts.shape[1]
    gammaln = scipy.special.gammaln
    together = gammaln(levels * PRIOR) - gammaln(counts.sum(axis=1) + levels * PRIOR)
    each: Floats = (gammaln(counts + PRIOR) - gammaln(PRIOR)).sum(axis=1) + together
    return each
