"""Logistic curves of a few parameters."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import scipy

from everloop.monitor.estimation.heldout import Floats

STEPS, HALVINGS, NEAR = 30, 20, 1e-7


class Curve(NamedTuple):
    """``P = expit(X @ slopes)``; ``covariance`` is that of the slopes, by the curvature."""

    slopes: Floats
    covariance: Floats


def fit_curve(
    X: Floats,
    happened: Floats,
    weights: Floats,
    start: Floats,
    prior: float,
    odds: Floats | float = 0.0,
) -> Curve:
    """The most likely curve of n weighted rows, by Newton's steps, halved where they overshoot.

    ``X`` n by d. ``prior`` is how many rows' worth of belief, per parameter, goes to ``start``;
    ``odds`` are log odds to begin with.
    """

    def loss(at: Floats) -> float:
        z, away = X @ at + odds, at - start
        likely = weights @ (np.logaddexp(0.0, z) - happened * z)
        return float(likely + prior / 2 * (away @ away))

    at, value = start, loss(start)
    curvature = np.eye(len(start))
    for _ in range(STEPS):
        p = scipy.special.expit(X @ at + odds)
        slope = X.T @ (weights * (p - happened)) + prior * (at - start)
        curvature = (X.T * (weights * p * (1 - p))) @ X + prior * np.eye(len(start))
        step = np.linalg.lstsq(curvature, slope, rcond=None)[0]
        for _ in range(HALVINGS):
            after = loss(at - step)
            if after <= value:
                break
            step = step / 2
        else:
            break  # as low as it gets
        at, gained, value = at - step, value - after, after
        if gained < NEAR:
            break
    return Curve(at, np.linalg.pinv(curvature).astype(np.float64))
