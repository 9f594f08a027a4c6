"""The maximum mean discrepancy of two samples (Gretton et al., JMLR 2012), by permutations."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import NDArray

Floats = NDArray[np.float64]

PERMUTATIONS = 200


class Discrepancy(NamedTuple):
    """The unbiased squared discrepancy, its effect from 0 to 1, and its p-value."""

    value: float
    effect: float
    p_value: float


def discrepancy(a: Floats, b: Floats, block: int = 1) -> Discrepancy | None:
    """Of two samples of the same columns, Gaussian kernel of median width.

    The null comes from permuted rows, whole blocks of ``block`` rows where rows depend on each
    other; beyond what 200 permutations can show, the p-value is that of a gamma distribution with
    their mean, variance and skewness (Pearson's type III). The effect is the discrepancy over its
    largest possible value. None when all rows are alike.
    """
    squared = _squared_distances(np.vstack([a, b]))
    middle = float(np.median(squared[np.triu_indices(len(squared), 1)]))
    if middle <= 0:
        return None
    kernel = np.exp(-squared / middle)
    first = np.repeat([1.0, 0.0], [len(a), len(b)])
    found = float(_discrepancies(kernel, first[:, None])[0])
    p_value = _beyond(_discrepancies(kernel, _permuted(first, block)), found)
    return Discrepancy(found, math.sqrt(min(1.0, max(0.0, found) / 2)), p_value)


def _squared_distances(values: Floats) -> Floats:
    size = (values**2).sum(axis=1)
    found: Floats = np.maximum(size[:, None] + size - 2 * values @ values.T, 0.0)
    return found


def _permuted(first: Floats, block: int) -> Floats:
    """Which rows count as the reference's, n by permutations; whole blocks change sides."""
    rng = np.random.default_rng(0)
    blocks = np.arange(len(first)) // block
    keys = rng.random((blocks[-1] + 1, PERMUTATIONS))[blocks]
    order = np.argsort(keys, axis=0, kind="stable")
    out = np.zeros((len(first), PERMUTATIONS))
    np.put_along_axis(out, order[: int(first.sum())], 1.0, axis=0)
    return out


def _discrepancies(kernel: Floats, first: Floats) -> Floats:
    """The unbiased squared discrepancy of each column's division of the rows."""
    second = 1 - first
    n, m = first.sum(axis=0), second.sum(axis=0)
    to_first = kernel @ first
    inside = (first * to_first).sum(axis=0) - n  # the diagonal is 1
    across = (second * to_first).sum(axis=0)
    total = float(kernel.sum())
    outside = total - inside - n - 2 * across - m
    found: Floats = inside / (n * (n - 1)) + outside / (m * (m - 1)) - 2 * across / (n * m)
    return found


def _beyond(null: Floats, found: float) -> float:
    """P(null >= found), by Pearson's type III where its tail is right-skewed."""
    mean, sd = float(null.mean()), float(null.std())
    if sd <= 0:
        return 1.0
    score = (found - mean) / sd
    skewness = float((((null - mean) / sd) ** 3).mean())
    if skewness < 0.05:
        return float(scipy.special.ndtr(-score))
    shape = 4 / skewness**2
    return float(scipy.special.gammaincc(shape, max(0.0, shape + score * math.sqrt(shape))))
