"""Direct loss estimation."""

from __future__ import annotations

from typing import ClassVar

import lightgbm
import numpy as np

from everloop.data.schema import Task
from everloop.extensions import estimators
from everloop.monitor.estimation._base import Belief, Estimator, Rows, order_on
from everloop.monitor.estimation.heldout import Codes, Floats, HeldOut

NEIGHBOURS = 0.02  # share of the held-out rows that a residual is drawn from, with a loss alike
FEWEST = 25
ROUNDS = 60
GOLDEN = 0.6180339887498949
TREES = {
    "objective": "l2",
    "num_leaves": 16,
    "learning_rate": 0.08,
    "min_data_in_leaf": 40,
    "num_threads": 1,
    "seed": 0,
    "deterministic": True,
    "verbose": -1,
}


@estimators.register("dle")
class DLE(Estimator):
    """A model of the loss: how large errors are at inputs and answers like these.

    After NannyML's method of this name. Trees learn the absolute error from the features and the
    answer, each half of the held-out rows from the other. A row of the window is then given the
    residual of a held-out row whose expected error is alike, so that every metric of the errors
    can be estimated, and its mean over the rows is what the real errors were at that expectation
    (which calibrates the trees). It holds under covariate shift to inputs that the held-out rows
    have too.
    """

    tasks: ClassVar[frozenset[Task]] = frozenset({"regression", "quantile"})
    refits: ClassVar[int] = 5

    def believe(self, held: HeldOut, weights: Floats, rows: Rows) -> Belief:
        residual = held.y - held.pred
        X, asked = _features(held.codes, held.pred), _features(rows.codes, rows.pred)
        fold = np.arange(len(held)) % 2
        trees = [_learned(X[fold == k], residual[fold == k], weights[fold == k]) for k in (0, 1)]
        known = np.empty(len(held))
        for k in (0, 1):
            known[fold == k] = trees[1 - k].predict(X[fold == k])
        expected = np.mean([tree.predict(asked) for tree in trees], axis=0)
        used = weights > 0
        order = np.argsort(known[used], kind="stable")
        pool = np.repeat(residual[used][order], _times(weights[used][order]))
        ranks = np.repeat(known[used][order], _times(weights[used][order]))
        half = max(FEWEST, int(NEIGHBOURS * len(pool))) // 2
        places = np.asarray(np.searchsorted(ranks, expected))
        low = np.asarray(np.clip(places - half, 0, max(0, len(pool) - 2 * half)))
        along = np.argsort(expected, kind="stable")
        return ResidualBelief(rows.pred, pool, low, min(2 * half, len(pool)), along)


class ResidualBelief:
    """Answers plus residuals, each drawn from ``wide`` of the ``pool`` from ``low`` on."""

    def __init__(
        self, pred: Floats, pool: Floats, low: np.ndarray, wide: int, along: np.ndarray
    ) -> None:
        self.pred, self.pool, self.low, self.wide, self.along = pred, pool, low, wide, along

    def draw(self, rng: np.random.Generator) -> Floats:
        return self._at(rng.random(len(self.pred)))

    def even(self, offset: float) -> Floats:
        u = np.empty(len(self.pred))
        u[self.along] = (offset + np.arange(len(u)) * GOLDEN) % 1.0
        return self._at(u)

    def on(self, rows: np.ndarray) -> ResidualBelief:
        along = order_on(self.along, rows)
        return ResidualBelief(self.pred[rows], self.pool, self.low[rows], self.wide, along)

    def _at(self, u: Floats) -> Floats:
        return np.asarray(self.pred + self.pool[self.low + (u * self.wide).astype(np.int64)])


def _features(codes: Codes, pred: Floats) -> Floats:
    return np.column_stack([codes, pred])


def _learned(X: Floats, residual: Floats, weights: Floats) -> lightgbm.Booster:
    data = lightgbm.Dataset(X, np.abs(residual), weight=weights, params={"verbose": -1})
    return lightgbm.train(TREES, data, num_boost_round=ROUNDS)


def _times(weights: Floats) -> np.ndarray:
    """Whole numbers in proportion to the weights; bootstrap counts stay as they are."""
    whole = np.rint(weights)
    return (whole if np.allclose(whole, weights) else np.ceil(weights * 4)).astype(np.int64)
