"""Rows before and after a change, weighted until they are alike in some columns."""

from __future__ import annotations

import importlib
from typing import NamedTuple

import numpy as np

from everloop.monitor.profile import Floats, Ints

FOLDS = 2
BLOCKS = 10  # stretches of consecutive rows that go to one fold
ROUNDS = 60
PARAMS = {
    "objective": "binary",
    "learning_rate": 0.1,
    "num_leaves": 8,
    "min_data_in_leaf": 40,
    "lambda_l2": 1.0,
    "num_threads": 1,
    "deterministic": True,
    "seed": 0,
    "verbosity": -1,
}


class Matched(NamedTuple):
    """Weights of the rows before and after, and how many equal rows each side is worth."""

    before: Floats
    after: Floats
    size: float  # of the smaller side


def match(before: Floats, after: Floats, categories: list[int]) -> Matched:
    """Weigh two matrices (n by d, m by d, rows in time order) to what they have in common.

    A classifier that tells the sides apart gives each row the odds of lying on the other side,
    p(after | x) before and p(before | x) after: both sides then have the same distribution,
    proportional to p·q / (p + q) (overlap weights: Li, Morgan & Zaslavsky, JASA 2018; for a change
    of a model's performance: Cai, Namkoong & Yadlowsky, arXiv 2303.02011). Unlike a ratio of
    densities they are at most 1, so rows that the other side never had cost nothing but their
    number. Each half of the rows is weighed by trees fitted on the other, in turns of consecutive
    rows, since neighbours would give each other away. The size is Kish's, (Σw)² / Σw².
    """
    n, m = len(before), len(after)
    X = np.vstack([before, after])
    side = np.repeat([0.0, 1.0], [n, m])
    turn = np.concatenate([_turns(n), _turns(m)])
    weight = np.where(side == 1, (n + m) / (2 * m), (n + m) / (2 * n))
    lightgbm = importlib.import_module("lightgbm")  # by who explains, not by who watches
    after_share = np.empty(n + m)
    for fold in range(FOLDS):
        held = turn == fold
        data = lightgbm.Dataset(
            X[~held], side[~held], weight=weight[~held], categorical_feature=categories
        )
        model = lightgbm.train(PARAMS, data, ROUNDS)
        after_share[held] = model.predict(X[held])
    first, second = after_share[:n], 1 - after_share[n:]
    return Matched(first, second, min(_size(first), _size(second)))


def draw(weights: Floats, times: int) -> Ints:
    """Row numbers in order, each about as often as its weight says, ``times`` a row on average.

    Systematic, so the same weights give the same rows; any score of rows becomes a weighted one.
    """
    upto = np.cumsum(weights)
    count = max(1, times * len(weights))
    places = (np.arange(count) + 0.5) / count * upto[-1]
    found: Ints = np.minimum(np.searchsorted(upto, places), len(weights) - 1).astype(np.int64)
    return found


def _size(weights: Floats) -> float:
    squares = float((weights**2).sum())
    total = float(weights.sum())
    return min(total**2 / squares, 2 * total) if squares > 0 else 0.0


def _turns(rows: int) -> Ints:
    return np.arange(rows, dtype=np.int64) * BLOCKS // max(rows, 1) % FOLDS
