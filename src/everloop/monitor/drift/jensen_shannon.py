"""Drift as information: how much a value tells about which sample it came from."""

from __future__ import annotations

import math

import numpy as np
import scipy

from everloop.extensions import drift_tests
from everloop.monitor.drift._base import DriftTest, Shift
from everloop.monitor.drift._cells import cells
from everloop.monitor.profile import Sketch


@drift_tests.register("jensen_shannon")
class JensenShannon(DriftTest):
    """Distance of Jensen and Shannon over deciles or levels (Lin, IEEE Trans. Inf. Theory 1991).

    The statistic and effect are the root of the divergence in bits, from 0 to 1. Eight times the
    divergence in nats is near the chi-square distance, which gives the p-value.
    """

    kinds = ("number", "category")

    def compare(self, reference: Sketch, window: Sketch) -> Shift | None:
        found = cells(reference, window)
        if found is None:
            return None
        middle = (found.before + found.now) / 2
        rel_entr = scipy.special.rel_entr
        parts = rel_entr(found.before, middle) + rel_entr(found.now, middle)
        nats = max(0.0, float(np.sum(parts)) / 2)
        distance = min(1.0, math.sqrt(nats / math.log(2)))
        return Shift(distance, distance, found.p_value(8 * nats), found.draws, found.largest())
