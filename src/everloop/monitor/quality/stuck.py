"""A number that stopped moving."""

from __future__ import annotations

import numpy as np

from everloop.extensions import quality_checks
from everloop.monitor.profile import NumberSketch, Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent
from everloop.monitor.quality._chance import may_be_chance


@quality_checks.register("stuck")
class StuckCheck(QualityCheck):
    """Every row of the window has one value, where that would be no chance."""

    kinds = ("number",)

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not (isinstance(reference, NumberSketch) and isinstance(window, NumberSketch)):
            return None
        if len(window.points) != 1 or len(reference.points) < 3:
            return None
        share = float(np.max(np.asarray(reference.upto) - np.asarray(reference.below)))
        share /= reference.n
        if may_be_chance(share, window.n / reference.rows_per_draw):
            return None
        return Fault(
            check="stuck",
            summary=f"{feature} is {window.points[0]:.4g} in every row",
            quarantine=True,
            evidence={"value": window.points[0], "most_frequent_share_before": round(share, 4)},
        )
