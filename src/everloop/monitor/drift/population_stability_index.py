"""Drift as credit scoring measures it."""

from __future__ import annotations

import numpy as np

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._cells import cells
from everloop.monitor.profile import Sketch

FLOOR = 1e-4  # share that stands for an empty cell


@drift_tests.register("population_stability_index")
class PopulationStabilityIndex(DriftTest):
    """Σ (q - p) ln(q / p) over deciles or levels: Jeffreys' divergence (Proc. R. Soc. A 1946).

    The usual thresholds 0.1 and 0.25 forget how many rows there are; divided by 1/n + 1/m the
    index is chi-square distributed (Yurdakul & Naranjo, Journal of Risk Model Validation 2020).
    The effect is 1 - exp(-index / 2), from 0 to 1: an index of 0.25 is 0.12.
    """

    kinds = ("number", "category")

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        found = cells(reference, window)
        if found is None:
            return None
        p, q = np.maximum(found.before, FLOOR), np.maximum(found.now, FLOOR)
        index = float(((q - p) * np.log(q / p)).sum())
        effect = -float(np.expm1(-max(index, 0.0) / 2))
        return Shift(index, effect, found.p_value(index), found.draws, found.largest())
