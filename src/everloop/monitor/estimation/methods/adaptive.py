"""CBPE, corrected in regions of the inputs as far as the held-out rows bear it out."""

from __future__ import annotations

from typing import NamedTuple

import lightgbm
import numpy as np
import scipy

from everloop.extensions import estimators
from everloop.monitor.estimation._base import Belief, ClassBelief, Rows
from everloop.monitor.estimation.heldout import Floats, HeldOut
from everloop.monitor.estimation.logistic import fit_curve
from everloop.monitor.estimation.methods.calibration import SMALLEST, calibrate
from everloop.monitor.estimation.methods.cbpe import CBPE, order_of
from everloop.monitor.estimation.methods.m_cbpe import features, grown
from everloop.monitor.estimation.methods.relevance import density_ratio

FEWEST = 1_000  # held-out rows that trees are grown on
MOST_ROWS = 20_000
MOST_CLASSES = 5
STRETCHES = 4  # of time, of which the odd ones judge what the even ones taught, and the reverse
SEEN = 3_000  # rows of either side by which inputs are told apart


class Correction(NamedTuple):
    """What trees add to a class's log odds: ``kept`` of it."""

    trees: lightgbm.Booster
    kept: float

    def of(self, X: Floats) -> Floats:
        return self.kept * np.asarray(self.trees.predict(X, raw_score=True))


@estimators.register("adaptive")
class Adaptive(CBPE):
    """Probabilities that are right on average, and in regions of the inputs where that can be told.

    A model that is wrong in a region is calibrated as long as the region's share stays what it was.
    So small trees over the features and the probability learn what the calibration leaves over
    (boosting as in Hébert-Johnson and others, "Multicalibration", ICML 2018), on half of the
    held-out rows for the other half. The slope that fits what they learned to what happened there
    is the share of it that is no noise. That share is kept, less the more of it is noise (by
    ``1 - (noise / signal)²``, the positive-part shrinkage of James & Stein, 1961): nothing where
    noise is the greater part, as of a good model, and this is CBPE.
    """

    def relevance(self, held: HeldOut, rows: Rows) -> tuple[Floats, list[str]]:
        """All rows count; a warning says when too few of them are like the window's."""
        found = density_ratio(held.codes, rows.codes, SEEN)
        return np.ones(len(held)), found.doubts()

    def believe(self, held: HeldOut, weights: Floats, rows: Rows) -> Belief:
        assert held.proba is not None and rows.proba is not None
        c = calibrate(held.proba, held.y, weights)(rows.proba)
        corrections = _corrections(held)
        if corrections:
            c = _corrected(c, rows, corrections)
        return ClassBelief(c, order_of(rows))


def _corrected(c: Floats, rows: Rows, corrections: dict[int, Correction]) -> Floats:
    assert rows.proba is not None
    odds = scipy.special.logit(np.clip(c, SMALLEST, 1 - SMALLEST))
    for code, correction in corrections.items():
        odds[:, code] += correction.of(features(rows.codes, rows.proba[:, code]))
    found = scipy.special.expit(odds)
    if c.shape[1] == 2:
        return np.column_stack([1 - found[:, 1], found[:, 1]])
    return np.asarray(found / np.maximum(found.sum(axis=1, keepdims=True), SMALLEST))


_newest: list[tuple[HeldOut, dict[int, Correction]]] = []


def _corrections(held: HeldOut) -> dict[int, Correction]:
    """By class, those of which something is kept; they are learned once of the same rows."""
    if not _newest or _newest[0][0] is not held:
        _newest[:] = [(held, _learned(held))]
    return _newest[0][1]


def _learned(held: HeldOut) -> dict[int, Correction]:
    assert held.proba is not None
    k = held.proba.shape[1]
    if len(held) < FEWEST or k > MOST_CLASSES or not held.codes.shape[1]:
        return {}
    some = np.linspace(0, len(held) - 1, min(len(held), MOST_ROWS)).astype(np.intp)
    y, proba, codes = held.y[some], held.proba[some], held.codes[some]
    c = calibrate(held.proba, held.y, np.ones(len(held)))(proba)
    odds = scipy.special.logit(np.clip(c, SMALLEST, 1 - SMALLEST))
    found = {}
    for code in [1] if k == 2 else range(k):
        X = features(codes, proba[:, code])
        correction = _correction(X, (y == code).astype(np.float64), odds[:, code])
        if correction is not None:
            found[code] = correction
    return found


def _correction(X: Floats, happened: Floats, odds: Floats) -> Correction | None:
    n = len(X)
    half = np.arange(n) * STRETCHES // n % 2
    learned = np.empty(n)
    for side in (0, 1):
        mine, other = half == side, half != side
        trees = grown(X[mine], happened[mine], np.ones(int(mine.sum())), odds[mine])
        learned[other] = trees.predict(X[other], raw_score=True)
    if np.ptp(learned) == 0:
        return None
    line = np.column_stack([learned, np.ones(n)])
    slope = float(fit_curve(line, happened, np.ones(n), np.zeros(2), 1.0, odds).slopes[0])
    if slope <= 0.5:
        return None
    signal = min(slope, 1.0)
    kept = signal * (1 - ((1 - signal) / signal) ** 2)
    return Correction(grown(X, happened, np.ones(n), odds), kept)
