"""Drift of a number: the largest gap between two distribution functions."""

from __future__ import annotations

import math

import numpy as np
import scipy

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._functions import functions
from everloop.monitor.profile import NumberSketch, Sketch

TOLERANCE = 0.02  # a gap that no real stream is without


@drift_tests.register("kolmogorov_smirnov")
class KolmogorovSmirnov(DriftTest):
    """Two-sample Kolmogorov-Smirnov on sketches (Smirnov, Ann. Math. Stat. 1948).

    Rows count as the independent rows they are worth, by the reference's dependence in time, and
    the null is a gap of at most :data:`TOLERANCE`, not of exactly nothing.
    """

    kinds = ("number",)

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        if not (isinstance(reference, NumberSketch) and isinstance(window, NumberSketch)):
            return None
        if reference.n < 2 or window.n < 2:
            return None
        gap = largest_gap(reference, window)
        draws = draws_of(reference, window)
        root = math.sqrt(draws)
        # Stephens' finite-sample form (JRSS B 1970)
        score = (root + 0.12 + 0.11 / root) * max(0.0, gap - TOLERANCE)
        p_value = float(scipy.special.kolmogorov(score))
        return Shift(gap, gap, p_value, draws, middles(reference, window))


def middles(reference: NumberSketch, window: NumberSketch) -> str:
    """``median 1.2 → 3.4``; ``mean 0.32 → 0.12`` where the medians are one, as of few values."""
    half = np.array([0.5])
    before, after = (f"{float(one.quantile(half)[0]):.4g}" for one in (reference, window))
    if before == after:
        return f"mean {reference.mean:.4g} → {window.mean:.4g}"
    return f"median {before} → {after}"


def largest_gap(a: NumberSketch, b: NumberSketch) -> float:
    """Kolmogorov's distance, exact where both sketches keep every value, else within 1/128."""
    _, below_a, upto_a, below_b, upto_b = functions(a, b)
    return float(max(np.abs(below_a - below_b).max(), np.abs(upto_a - upto_b).max()))


def draws_of(reference: NumberSketch, window: NumberSketch) -> float:
    """Independent rows that two samples are worth together."""
    per_draw = reference.rows_per_draw
    a, b = max(1.0, reference.n / per_draw), max(1.0, window.n / per_draw)
    return a * b / (a + b)
