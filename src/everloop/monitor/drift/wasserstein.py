"""Drift as work: how far values have to be carried to turn one sample into the other."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
import scipy

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._functions import functions
from everloop.monitor.drift.kolmogorov_smirnov import draws_of
from everloop.monitor.profile import NumberSketch, Sketch

TOLERANCE = 0.05  # standard deviations that no real stream is without
STEPS = 64  # of the distribution function, for the variance


@drift_tests.register("wasserstein")
class Wasserstein(DriftTest):
    """Earth mover's distance in standard deviations of the reference, on sketches.

    Under no change the root of the rows times the distance is the integral of |B(F(x))| for a
    Brownian bridge B (del Barrio, Giné & Matrán, Annals of Probability 1999). Its mean and
    variance are known, and a gamma distribution of both gives the p-value; its tail is the
    heavier one. The null is a distance of at most :data:`TOLERANCE`. The effect is d / (1 + d):
    a move by one standard deviation is 0.5.
    """

    kinds = ("number",)

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        if not (isinstance(reference, NumberSketch) and isinstance(window, NumberSketch)):
            return None
        if reference.n < 2 or window.n < 2:
            return None
        distance = distance_between(reference, window)
        sd = reference.sd or window.sd
        if not sd:  # two constants
            sd = abs(distance) or 1.0
        moved = distance / sd
        draws = draws_of(reference, window)
        p_value = _p_value(reference, math.sqrt(draws) * max(0.0, moved - TOLERANCE) * sd)
        effect = moved / (1 + moved)
        summary = f"mean {reference.mean:.4g} → {window.mean:.4g}, moved by {moved:.2f} sd"
        return Shift(moved, effect, p_value, draws, summary)


def distance_between(a: NumberSketch, b: NumberSketch) -> float:
    """The area between two distribution functions, in the feature's unit."""
    x, below_a, upto_a, below_b, upto_b = functions(a, b)
    left, right = (upto_a - upto_b)[:-1], (below_a - below_b)[1:]
    # Linear between two points: a triangle on either side where the functions cross.
    size = np.abs(left) + np.abs(right)
    crossed = (left**2 + right**2) / np.where(size > 0, 2 * size, 1.0)
    height = np.where(left * right < 0, crossed, size / 2)
    return float((np.diff(x) * height).sum())


def _p_value(reference: NumberSketch, value: float) -> float:
    """P(integral of |B(F)| > value) with F the reference's distribution function."""
    mean, variance = _moments(reference)
    if mean <= 0:
        return float(value <= 0)
    return float(scipy.special.gammaincc(mean**2 / variance, value * mean / variance))


@lru_cache(256)
def _moments(reference: NumberSketch) -> tuple[float, float]:
    """Mean and variance of the integral of |B(F)|; a reference meets many windows."""
    x, _, share = reference.steps
    wide, f = np.diff(x), share[:-1]
    if len(f) > STEPS:  # the work is the square of them, and the variance needs no more
        first = np.linspace(0, len(f), STEPS, endpoint=False).astype(np.int64)
        area = np.add.reduceat(wide * f, first)
        wide = np.add.reduceat(wide, first)
        f = area / wide
    sd = np.sqrt(np.maximum(f * (1 - f), 0.0))
    mean = math.sqrt(2 / math.pi) * float((sd * wide).sum())
    if mean <= 0:
        return 0.0, 0.0
    low, high = np.minimum.outer(f, f), np.maximum.outer(f, f)
    both = np.outer(sd, sd)
    related = np.clip(low * (1 - high) / np.where(both > 0, both, 1.0), 0.0, 1.0)
    # Covariance of |X| and |Y| of two normals with this correlation.
    spread = np.sqrt(1 - related**2) + related * np.arcsin(related) - 1
    return mean, 2 / math.pi * float(wide @ (both * spread) @ wide)
