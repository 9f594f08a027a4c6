"""Whether two samples have the same mean in a space where that means the same distribution."""

from __future__ import annotations

import math

import numpy as np
import scipy

from everloop.extensions import multivariate_tests
from everloop.monitor.drift._base import Shift
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together, one_direction
from everloop.monitor.multivariate.matrix import Floats, Matrix

MOST_ROWS = 1_000  # of either side: the kernel's matrix is square
PERMUTATIONS = 200


@multivariate_tests.register("mmd")
class MeanDiscrepancy(MultivariateTest):
    """Maximum mean discrepancy (Gretton et al., JMLR 2012), Gaussian kernel of median width.

    The null comes from permuted rows, block by block where rows depend on each other; beyond what
    200 permutations can show, the p-value is that of a gamma distribution with their mean,
    variance and skewness (Pearson's type III). The effect is the discrepancy over its largest
    possible value.
    """

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        if min(reference.rows, window.rows) < FEW or not reference.features:
            return None
        reference, window = _some(reference), _some(window)
        a, b = reference.values, window.values
        block = max(1, round(max(reference.per_draw, window.per_draw)))
        squared = _squared_distances(np.vstack([a, b]))
        middle = float(np.median(squared[np.triu_indices(len(squared), 1)]))
        if middle <= 0:
            return None
        kernel = np.exp(-squared / middle)
        first = np.repeat([1.0, 0.0], [len(a), len(b)])
        found = float(_discrepancies(kernel, first[:, None])[0])
        null = _discrepancies(kernel, _permuted(first, block))
        p_value = _beyond(null, found)
        effect = math.sqrt(min(1.0, max(0.0, found) / 2))
        draws = len(a) * len(b) / (len(a) + len(b)) / block
        shift = Shift(found, effect, p_value, draws, f"mean discrepancy {found:.3g}")
        normal = scipy.special.ndtri(1 - p_value) if p_value > 1e-16 else 8.2
        score = float(np.clip(normal, -8.2, 8.2))
        return Together(shift, one_direction("mean discrepancy", score, reference, window))


def _some(matrix: Matrix) -> Matrix:
    if matrix.rows <= MOST_ROWS:
        return matrix
    kept = np.linspace(0, matrix.rows - 1, MOST_ROWS).astype(np.int64)
    return matrix._replace(values=matrix.values[kept])


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
