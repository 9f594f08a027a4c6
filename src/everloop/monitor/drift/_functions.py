"""Two distribution functions beside each other, which several tests of a number ask for."""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from everloop.monitor.profile import NumberSketch

Floats = NDArray[np.float64]


class Functions(NamedTuple):
    """F(x-) and F(x) of both, at the points ``x`` of either."""

    x: Floats
    below_a: Floats
    upto_a: Floats
    below_b: Floats
    upto_b: Floats


@lru_cache(256)
def functions(a: NumberSketch, b: NumberSketch) -> Functions:
    """Exact where both sketches keep every value, else linear between their points."""
    x = np.union1d(a.steps[0], b.steps[0])
    found = Functions(x, *a.cdf(x), *b.cdf(x))
    for each in found:
        each.setflags(write=False)  # others get the same
    return found
