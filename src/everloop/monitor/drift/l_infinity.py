"""Drift of the one level that moved most."""

from __future__ import annotations

import numpy as np
import scipy

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._cells import TOLERANCE, cells
from everloop.monitor.profile import Sketch


@drift_tests.register("l_infinity")
class LInfinity(DriftTest):
    """The largest change of a share (Chebyshev's distance), over deciles or levels.

    The p-value is Bonferroni's bound over the cells of the normal test of two shares (Dunn, JASA
    1961), against a change of at most :data:`~everloop.monitor.drift._cells.TOLERANCE` standard
    deviations of the share.
    """

    kinds = ("number", "category")

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        found = cells(reference, window)
        if found is None:
            return None
        away = np.abs(found.now - found.before)
        share = reference.n / (reference.n + window.n)
        pooled = share * found.before + (1 - share) * found.now
        sd = np.sqrt(np.maximum(pooled * (1 - pooled), 1e-12))
        score = np.maximum(away / sd - TOLERANCE, 0.0) * np.sqrt(found.draws)
        p_value = min(1.0, len(away) * float(np.min(2 * scipy.special.ndtr(-score))))
        largest = float(away.max())
        return Shift(largest, largest, p_value, found.draws, found.largest())
