"""A bet against the order of values being of no account."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort

import numpy as np

from everloop.extensions import sequential_detectors
from everloop.monitor.sequential._base import Floats, SequentialDetector

SURE = 1_000.0  # what the bet has to be worth
SEED = 911_911  # of ties
JUMP = 0.01  # share that moves from one way of betting to the others at each value
WAYS = np.array([-1.0, 0.0, 1.0])


@sequential_detectors.register("conformal_martingale")
class ConformalMartingale(SequentialDetector):
    """Conformal test martingale with a simple jumper (Vovk, Statistical Science 2021).

    The share of earlier values above each value, ties broken at random with a fixed seed, is a
    p-value, independent of the others and uniform as long as values are exchangeable. The bet is
    then a martingale, which reaches 1,000 with a probability of at most 1 in 1,000, whatever the
    number of values (Ville's inequality). It begins anew after a change.
    """

    def changes(self, values: Floats) -> list[int]:
        toss = np.random.default_rng(SEED).random(len(values))
        found: list[int] = []
        seen: list[float] = []
        worth = np.full(3, 1 / 3)
        for place, value in enumerate(values.tolist()):
            insort(seen, value)
            left, right = bisect_left(seen, value), bisect_right(seen, value)
            p_value = (len(seen) - right + toss[place] * (right - left)) / len(seen)
            total = float(worth.sum())
            worth = ((1 - JUMP) * worth + JUMP * total / 3) * (1 + WAYS * (p_value - 0.5))
            if worth.sum() >= SURE:
                found.append(place)
                seen, worth = [], np.full(3, 1 / 3)
        return found
