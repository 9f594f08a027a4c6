"""Multi-calibrated confidence-based performance estimation."""

from __future__ import annotations

from typing import ClassVar

import lightgbm
import numpy as np
import scipy

from everloop.extensions import estimators
from everloop.monitor.estimation._base import Belief, ClassBelief, Rows
from everloop.monitor.estimation.heldout import Codes, Floats, HeldOut
from everloop.monitor.estimation.methods.calibration import SMALLEST
from everloop.monitor.estimation.methods.cbpe import order_of
from everloop.monitor.estimation.methods.pape import PAPE

ROUNDS = 60
TREES = {
    "objective": "binary",
    "num_leaves": 8,
    "learning_rate": 0.1,
    "min_data_in_leaf": 100,
    "num_threads": 1,
    "seed": 0,
    "deterministic": True,
    "verbose": -1,
}


@estimators.register("m_cbpe")
class MultiCalibrated(PAPE):
    """Probabilities that are right in every region of the inputs, among inputs like the window's.

    The first version of arXiv 2401.08348 gave this name to calibration on weighted rows; here the
    calibration may differ between regions too. Small trees over the features and the probability
    correct the probability where the weighted held-out rows say otherwise (boosting as in
    Hébert-Johnson and others, "Multicalibration", ICML 2018). Of more than two classes each
    against the rest, made to sum to 1.
    """

    refits: ClassVar[int] = 4

    def believe(self, held: HeldOut, weights: Floats, rows: Rows) -> Belief:
        assert held.proba is not None and rows.proba is not None
        k = held.proba.shape[1]
        classes = [1] if k == 2 else range(k)
        found = [
            _corrected(
                features(held.codes, held.proba[:, c]),
                held.y == c,
                weights,
                features(rows.codes, rows.proba[:, c]),
            )
            for c in classes
        ]
        c = np.column_stack([1 - found[0], found[0]] if k == 2 else found)
        c = c / np.maximum(c.sum(axis=1, keepdims=True), SMALLEST)
        return ClassBelief(c, order_of(rows))


def features(codes: Codes, p: Floats) -> Floats:
    """The codes, and last the log odds that the trees begin from."""
    return np.column_stack([codes, scipy.special.logit(np.clip(p, SMALLEST, 1 - SMALLEST))])


def _corrected(X: Floats, happened: np.ndarray, weights: Floats, asked: Floats) -> Floats:
    trees = grown(X, happened.astype(np.float64), weights, X[:, -1])
    return np.asarray(scipy.special.expit(trees.predict(asked, raw_score=True) + asked[:, -1]))


def grown(X: Floats, happened: Floats, weights: Floats, odds: Floats) -> lightgbm.Booster:
    """Small trees that learn what log ``odds`` leave over."""
    params = {"verbose": -1}
    data = lightgbm.Dataset(X, happened, weight=weights, init_score=odds.copy(), params=params)
    return lightgbm.train(TREES, data, num_boost_round=ROUNDS)
