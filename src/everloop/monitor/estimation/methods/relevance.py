"""How much each held-out row says about a window, by the ratio of their densities."""

from __future__ import annotations

from typing import NamedTuple

import lightgbm
import numpy as np
from numpy.typing import NDArray

from everloop.monitor.estimation._base import effective_rows
from everloop.monitor.estimation.heldout import Codes, Floats
from everloop.monitor.estimation.logistic import fit_curve

MOST_ROWS = 8_000  # of each side that the classifier sees
SURELY = 2.0  # standard errors
PRIOR = 1e-4
LARGEST = 0.999  # quantile at which weights are cut
FEWEST_SHARE, FEWEST = 0.2, 200  # effective rows below which weights are not believed
LEAF = 50
TREES = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": LEAF,
    "bagging_fraction": 0.7,
    "bagging_freq": 1,
    "num_threads": 1,
    "seed": 0,
    "deterministic": True,
    "verbose": -1,
}
ROUNDS = 50


class Relevance(NamedTuple):
    """Weights of mean 1, and how many equal rows would be as good as the weighted ones."""

    weights: Floats
    effective: float

    def doubts(self) -> list[str]:
        """Why the weights should not be believed."""
        n = len(self.weights)
        if self.effective >= max(FEWEST_SHARE * n, min(FEWEST, n / 2)):
            return []
        return [
            f"Only {self.effective:,.0f} of {n:,} held-out rows count, so different are the inputs."
        ]


def density_ratio(held: Codes, window: Codes, most: int = MOST_ROWS) -> Relevance:
    """Weights of the held-out rows that make their inputs those of the window.

    A classifier tells the rows apart, and its odds are the ratio (Sugiyama, Suzuki & Kanamori,
    "Density Ratio Estimation in Machine Learning", 2012); it is shown ``most`` of each side. Each
    row is judged by trees that have not seen it, and the log odds are shrunk by the slope that
    fits them to what happened. Where that slope is not surely above 0 the trees found only noise,
    and all weights are 1.
    """
    same = Relevance(np.ones(len(held)), float(len(held)))
    if not held.shape[1] or len(window) < 2 * LEAF:
        return same
    first, second = _thinned(held, most), _thinned(window, most)
    X = np.concatenate([held[first], window[second]]).astype(np.float32)
    side = np.repeat([0.0, 1.0], [len(first), len(second)])
    fold = np.random.default_rng(0).permutation(len(side)) % 2
    trees = [_told_apart(X[fold == k], side[fold == k]) for k in (0, 1)]
    odds = np.empty(len(side))
    for k in (0, 1):
        odds[fold == k] = trees[1 - k].predict(X[fold == k], raw_score=True)
    line = np.column_stack([odds, np.ones(len(odds))])
    found = fit_curve(line, side, np.ones(len(odds)), np.zeros(2), PRIOR)
    slope = float(found.slopes[0])
    if slope < SURELY * np.sqrt(found.covariance[0, 0]):
        return same
    rest = np.delete(np.arange(len(held)), first)
    every = np.empty(len(held))
    every[first] = odds[: len(first)]
    if len(rest):
        unseen = held[rest].astype(np.float32)
        every[rest] = np.mean([t.predict(unseen, raw_score=True) for t in trees], axis=0)
    log = min(slope, 1.0) * (every - every.mean())
    weights = np.exp(np.minimum(log, np.quantile(log, LARGEST)))
    weights = weights / weights.mean()
    return Relevance(weights, effective_rows(weights))


def _told_apart(X: NDArray[np.float32], side: Floats) -> lightgbm.Booster:
    data = lightgbm.Dataset(np.ascontiguousarray(X), side, params={"verbose": -1})
    return lightgbm.train(TREES, data, num_boost_round=ROUNDS)


def _thinned(rows: Codes, most: int) -> NDArray[np.intp]:
    return np.linspace(0, len(rows) - 1, min(len(rows), most)).astype(np.intp)
