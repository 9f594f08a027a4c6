"""A trickle of labels, made stronger by what is expected of the other rows."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import msgspec
import numpy as np
from numpy.typing import NDArray

from everloop.monitor.estimation._base import Belief, Rows
from everloop.monitor.estimation.estimate import expected
from everloop.monitor.gauges import Gauge, Interval, T

LEAST = 60  # labelled rows
BLOCKS = 20
LEANING = 3.0  # standard errors by which labelled rows may look different from the others


class Powered(msgspec.Struct, frozen=True):
    """A score from some labels and an expectation.

    ``weight`` is the trust in the expectation that makes the variance least, from 0 (none) to 1;
    ``alone`` what the labels say by themselves.
    """

    metric: str
    score: Interval
    alone: Interval
    weight: float
    labelled: int
    rows: int
    warnings: tuple[str, ...] = ()


def prediction_powered(
    gauge: Gauge, belief: Belief, rows: Rows, y: NDArray[np.generic], known: NDArray[np.bool_]
) -> Powered | None:
    """The metric of all ``rows`` from the labels ``y`` of those that are ``known`` (in order).

    ``m(labels) + w · (expected of the others − expected of the labelled)``, with the weight of
    PPI++ (Angelopoulos, Duchi & Zrnic, arXiv 2311.01453, 2023; after Angelopoulos and others,
    "Prediction-powered inference", Science 2023), here for any metric by the jackknife over blocks
    of consecutive rows. However wrong the expectation is, the result stays right as long as it is
    chance which rows have labels. None where fewer than 60 rows are labelled, or all.
    """
    first, second = np.flatnonzero(known), np.flatnonzero(~known)
    if len(first) < LEAST or len(second) < LEAST:
        return None

    def real(some: NDArray[np.intp]) -> float:
        at = first[some]
        proba = None if rows.proba is None else rows.proba[at]
        return gauge.value(y[some], rows.pred[at], proba)

    def expect(side: NDArray[np.intp]) -> float:
        return expected(gauge, belief.on(side), rows.on(side))

    labels, guesses = _pseudo(real, len(first)), _pseudo(lambda s: expect(first[s]), len(first))
    others = _pseudo(lambda s: expect(second[s]), len(second))
    values = [real(np.arange(len(first))), expect(first), expect(second)]
    if not np.isfinite([*values, *labels, *guesses, *others]).all():
        return None
    blocks = len(labels)
    both = np.cov(labels, guesses) / blocks
    elsewhere = float(np.var(others, ddof=1)) / len(others)
    total = float(both[1, 1]) + elsewhere
    weight = min(max(float(both[0, 1]) / total, 0.0), 1.0) if total > 0 else 0.0
    variance = float(both[0, 0]) - 2 * weight * float(both[0, 1]) + weight**2 * total
    score = values[0] + weight * (values[2] - values[1])
    low, high = gauge.bounds
    score = min(max(score, -math.inf if low is None else low), math.inf if high is None else high)
    apart = abs(values[2] - values[1]) > LEANING * math.sqrt(max(total, 1e-300))
    leaning = "The labelled rows are unlike the others: labels do not come by chance."
    return Powered(
        gauge.name,
        gauge.interval(score, math.sqrt(max(variance, 0.0)), T),
        gauge.interval(values[0], math.sqrt(float(both[0, 0])), T),
        weight,
        len(first),
        len(rows),
        (leaning,) if apart else (),
    )


def _pseudo(statistic: Callable[[NDArray[np.intp]], float], n: int) -> NDArray[np.float64]:
    """The jackknife's pseudo-values over blocks, each as good as an independent observation."""
    every, blocks = np.arange(n), min(BLOCKS, n // 30)
    edges = np.linspace(0, n, blocks + 1).astype(np.intp)
    whole = statistic(every)
    without = [statistic(np.r_[every[:a], every[b:]]) for a, b in pairwise(edges)]
    return np.asarray(blocks * whole - (blocks - 1) * np.array(without))
