"""Values far outside everything seen before: sentinels such as -999, slipped digits, infinities."""

from __future__ import annotations

import numpy as np

from everloop.extensions import quality_checks
from everloop.monitor.profile import NumberSketch, Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent

RANGES = 3.0  # how many widths of the reference's range beyond its ends
SHARE = 0.01  # of the rows
MIN_ROWS = 10


@quality_checks.register("out_of_range")
class OutOfRangeCheck(QualityCheck):
    """One row in a hundred or more lies three ranges beyond the reference, or is infinite."""

    kinds = ("number",)

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not (isinstance(reference, NumberSketch) and isinstance(window, NumberSketch)):
            return None
        if reference.n < 2 or not window.rows:
            return None
        low, high = reference.points[0], reference.points[-1]
        slack = RANGES * max(high - low, abs(high), abs(low))
        below, upto = (
            window.cdf(np.array([low - slack, high + slack]))
            if window.n
            else (
                np.zeros(2),
                np.ones(2),
            )
        )
        far = round(float(below[0] + 1 - upto[1]) * window.n) + window.infinite
        share = far / window.rows
        if far < MIN_ROWS or share < SHARE:
            return None
        if 2 * window.infinite > far:
            summary = f"{feature} is infinite in {window.infinite / window.rows:.1%} of the rows"
        else:
            ends = f"{window.points[0]:.4g} … {window.points[-1]:.4g}"
            outside = f"lies far outside {low:.4g} … {high:.4g}"
            summary = f"{feature} {outside} in {share:.1%} of the rows ({ends})"
        return Fault(
            check="out_of_range",
            summary=summary,
            quarantine=True,
            evidence={
                "low": low,
                "high": high,
                "share": round(share, 4),
                "infinite": window.infinite,
            },
        )
