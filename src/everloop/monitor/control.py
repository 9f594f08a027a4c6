"""How often alarms may be false, over all features and all windows together.

Within a window the features' p-values are adjusted by Benjamini & Hochberg (JRSS B 1995). Over
the windows the level is spent by LORD++ (Ramdas, Yang, Wainwright & Jordan, NeurIPS 2017): each
window gets a part of the false discovery rate, and each alarm that was raised earns some back, so
that the expected share of false alarms stays below the rate however long the stream runs.
"""

from __future__ import annotations

import math

import msgspec
import numpy as np
from numpy.typing import NDArray

KEPT = 64  # discoveries remembered; forgetting older ones only lowers the level


class Spending(msgspec.Struct, frozen=True):
    """How many windows were tested and which of them (counted from 1) raised an alarm."""

    tested: int = 0
    found: tuple[int, ...] = ()

    def level(self, rate: float) -> float:
        """The level of the next window under a false discovery rate of ``rate``."""
        now = self.tested + 1
        start = rate / 2
        level = spent(now) * start
        for order, at in enumerate(self.found):
            level += spent(now - at) * (rate - start if order == 0 else rate)
        return level

    def after(self, alarm: bool) -> Spending:
        """The state once the next window has been tested."""
        now = self.tested + 1
        return Spending(now, (*self.found, now)[-KEPT:] if alarm else self.found)


def spent(j: int) -> float:
    """Share of a budget that the j-th test gets; sums to 1 (Javanmard & Montanari 2018)."""
    return 0.0772 * math.log(max(j, 2)) / (j * math.exp(math.sqrt(math.log(j))))


def benjamini_hochberg(p_values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Adjusted p-values: reject those at or below the level."""
    n = len(p_values)
    if not n:
        return p_values
    order = np.argsort(p_values)
    scaled = p_values[order] * n / np.arange(1, n + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    out = np.empty(n)
    out[order] = np.minimum(adjusted, 1.0)
    return out
