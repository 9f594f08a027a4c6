"""Whether two samples have the same mean in a space where that means the same distribution."""

from __future__ import annotations

import numpy as np
import scipy

from everloop.extensions import multivariate_tests
from everloop.monitor.drift._base import Shift
from everloop.monitor.kernel import discrepancy
from everloop.monitor.multivariate._base import FEW, MultivariateTest, Together, one_direction
from everloop.monitor.multivariate.matrix import Matrix

MOST_ROWS = 1_000  # of either side: the kernel's matrix is square


@multivariate_tests.register("mmd")
class MeanDiscrepancy(MultivariateTest):
    """Maximum mean discrepancy, see :mod:`everloop.monitor.kernel`."""

    def compare(self, reference: Matrix, window: Matrix) -> Together | None:
        if min(reference.rows, window.rows) < FEW or not reference.features:
            return None
        reference, window = _some(reference), _some(window)
        a, b = reference.values, window.values
        block = max(1, round(max(reference.per_draw, window.per_draw)))
        found = discrepancy(a, b, block)
        if found is None:
            return None
        draws = len(a) * len(b) / (len(a) + len(b)) / block
        summary = f"mean discrepancy {found.value:.3g}"
        shift = Shift(found.value, found.effect, found.p_value, draws, summary)
        p_value = found.p_value
        score = float(
            np.clip(scipy.special.ndtri(1 - p_value) if p_value > 1e-16 else 8.2, -8.2, 8.2)
        )
        return Together(shift, one_direction("mean discrepancy", score, reference, window))


def _some(matrix: Matrix) -> Matrix:
    if matrix.rows <= MOST_ROWS:
        return matrix
    kept = np.linspace(0, matrix.rows - 1, MOST_ROWS).astype(np.int64)
    return matrix._replace(values=matrix.values[kept])
