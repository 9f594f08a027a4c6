"""Drift as the angle between two distributions."""

from __future__ import annotations

import math

import numpy as np

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._cells import cells
from everloop.monitor.profile import Sketch


@drift_tests.register("hellinger")
class Hellinger(DriftTest):
    """Distance of Hellinger over deciles or levels (J. reine angew. Math. 1909), from 0 to 1.

    Eight times its square is near the chi-square distance, which gives the p-value (Freeman &
    Tukey, Ann. Math. Stat. 1950). Unlike Kullback and Leibler's it stays finite for empty cells.
    """

    kinds = ("number", "category")

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        found = cells(reference, window)
        if found is None:
            return None
        squared = float(((np.sqrt(found.now) - np.sqrt(found.before)) ** 2).sum() / 2)
        distance = math.sqrt(min(1.0, squared))
        return Shift(distance, distance, found.p_value(8 * squared), found.draws, found.largest())
