"""Whether so many equal values in a row can be chance."""

from __future__ import annotations

import math

P_VALUE = 1e-6


def may_be_chance(share: float, draws: float) -> bool:
    """Whether ``draws`` independent rows may all have what a ``share`` of them had before."""
    return draws * math.log(min(max(share, 1e-9), 1 - 1e-9)) > math.log(P_VALUE)
