"""From the probabilities that a model gives to how often things happen."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import scipy

from everloop.monitor.estimation.heldout import Floats
from everloop.monitor.estimation.logistic import fit_curve

SMALLEST = 1e-6
TENTHS, MISFIT = 10, 23.2  # the latter is the 99th percentile of chi-square with 10 degrees
PRIOR = 1.0  # rows' worth of belief, per parameter, that the probabilities are right as they are
GATHERED = 1_000  # points that a calibration is fitted to

Calibration = Callable[[Floats], Floats]


def calibrate(proba: Floats, y: Floats, weights: Floats) -> Calibration:
    """The map from probabilities, n by k, to how often each class was there, n by k.

    Of two classes the mean of a beta calibration (Kull, Silva Filho & Flach, AISTATS 2017: smooth,
    few parameters) and of isotonic regression (Zadrozny & Elkan, KDD 2002: any rising shape), or
    the latter alone where the former has the wrong shape; of more each class against the rest,
    made to sum to 1. ``y`` are codes; ``weights`` of the rows.
    """
    k = proba.shape[1]
    if k == 2:
        rising = _one_map(proba[:, 1], y == 1, weights)
        return lambda p: _two(rising(p[:, 1]))
    maps = [_one_map(proba[:, c], y == c, weights) for c in range(k)]

    def every(p: Floats) -> Floats:
        c = np.column_stack([one(p[:, i]) for i, one in enumerate(maps)])
        return np.asarray(c / np.maximum(c.sum(axis=1, keepdims=True), SMALLEST))

    return every


def _two(p: Floats) -> Floats:
    return np.column_stack([1.0 - p, p])


def _one_map(p: Floats, happened: np.ndarray, weights: Floats) -> Calibration:
    used = weights > 0
    p, happened, weights = p[used], happened[used].astype(np.float64), weights[used]
    share = float(weights @ happened / weights.sum()) if len(p) else 0.0
    if share in (0.0, 1.0) or np.ptp(p) == 0:
        return lambda q: np.full(len(q), share)
    p, happened, weights = _gathered(p, happened, weights)
    smooth = _beta(p, happened, weights)
    steps = scipy.optimize.isotonic_regression(happened, weights=weights).x
    if _misfits(smooth(p), happened, weights):
        return lambda q: np.interp(q, p, steps)
    return lambda q: np.asarray((smooth(q) + np.interp(q, p, steps)) / 2)


def _misfits(said: Floats, happened: Floats, weights: Floats) -> bool:
    """Whether tenths of the rows say that a curve has the wrong shape (Hosmer & Lemeshow, 1980)."""
    bins = (np.argsort(np.argsort(said, kind="stable")) * TENTHS) // len(said)
    away = np.bincount(bins, weights * (happened - said))
    spread = np.bincount(bins, weights * said * (1 - said))
    return bool((away**2 / np.maximum(spread, SMALLEST)).sum() > MISFIT)


def _gathered(p: Floats, happened: Floats, weights: Floats) -> tuple[Floats, Floats, Floats]:
    """Rising values of ``p`` with how often it happened at each and their weights.

    Equal values are one; of many, neighbours are: as good, and much faster to fit.
    """
    order = np.argsort(p, kind="stable")
    starts = np.flatnonzero(np.diff(p[order], prepend=-np.inf) > 0)
    if len(starts) > GATHERED:
        places = np.linspace(0, len(p), GATHERED, endpoint=False)
        starts = np.unique(starts[np.searchsorted(starts, places, side="right") - 1])
    w = np.add.reduceat(weights[order], starts)
    said, was = (np.add.reduceat((v * weights)[order], starts) / w for v in (p, happened))
    return said, was, w


def _beta(p: Floats, happened: Floats, weights: Floats) -> Calibration:
    """``expit(a·log p - b·log(1 - p) + c)``; a slope that would fall is 0."""
    X, start = _logs(p), np.array([1.0, 1.0, 0.0])  # the identity
    rising = np.ones(3, dtype=bool)
    found = fit_curve(X, happened, weights, start, PRIOR).slopes
    while (found[:2] < 0).any():
        rising[:2] &= found[:2] > 0
        found = np.zeros(3)
        found[rising] = fit_curve(X[:, rising], happened, weights, start[rising], PRIOR).slopes
    return lambda q: np.asarray(scipy.special.expit(_logs(q) @ found))


def _logs(p: Floats) -> Floats:
    p = np.clip(p, SMALLEST, 1 - SMALLEST)
    return np.column_stack([np.log(p), -np.log1p(-p), np.ones(len(p))])
