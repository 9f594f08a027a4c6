"""Values that stopped coming."""

from __future__ import annotations

import math

import scipy

from everloop.extensions import quality_checks
from everloop.monitor.profile import Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent
from everloop.monitor.vectors import VectorSketch

RISE = 0.1  # in the share of missing values
GONE = 0.5  # a rise this large cannot be learned from
P_VALUE = 1e-5


@quality_checks.register("missing")
class MissingCheck(QualityCheck):
    """The share of missing values rose by a tenth of the rows or more, and not by chance."""

    kinds = ("number", "category")

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not reference.rows or not window.rows:
            return None
        before, now = reference.missing / reference.rows, window.missing / window.rows
        if now - before < RISE:
            return None
        per_draw = 1.0 if isinstance(reference, VectorSketch) else reference.missing_per_draw
        draws = max(1.0, window.rows / per_draw)
        likely = (reference.missing + 0.5) / (reference.rows + 1)
        score = (before - now) / math.sqrt(likely * (1 - likely) / draws)
        p_value = float(scipy.special.ndtr(score))
        if p_value > P_VALUE and now < 1.0:
            return None
        return Fault(
            check="missing",
            summary=f"{feature} is missing in {now:.1%} of the rows, {before:.1%} before",
            quarantine=now - before >= GONE,
            evidence={"share_before": round(before, 4), "share_now": round(now, 4)},
        )
