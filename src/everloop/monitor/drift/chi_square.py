"""Drift of a category: whether two tables of counts come from the same shares."""

from __future__ import annotations

import numpy as np

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._cells import cells
from everloop.monitor.profile import Sketch


@drift_tests.register("chi_square")
class ChiSquare(DriftTest):
    """Pearson's test of homogeneity, divided by the design effect of rows that come in order.

    (Pearson 1900; first-order correction of Rao & Scott, JASA 1981.) The effect is the total
    variation distance: the share of rows that would have to change their level.
    """

    kinds = ("category",)

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        found = cells(reference, window)
        if found is None:
            return None
        rows = reference.n * window.n / (reference.n + window.n)
        pooled = (found.before * reference.n + found.now * window.n) / (reference.n + window.n)
        distance = float(((found.now - found.before) ** 2 / pooled).sum())
        effect = float(np.abs(found.now - found.before).sum() / 2)
        p_value = found.p_value(distance)
        return Shift(rows * distance, effect, p_value, found.draws, found.largest())
