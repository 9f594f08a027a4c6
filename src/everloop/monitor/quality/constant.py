"""A category that has one level only."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.profile import CategorySketch, Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent
from everloop.monitor.quality._chance import may_be_chance


@quality_checks.register("constant")
class ConstantCheck(QualityCheck):
    """Every row of the window has one level, where that would be no chance."""

    kinds = ("category",)

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not (isinstance(reference, CategorySketch) and isinstance(window, CategorySketch)):
            return None
        if not window.n or not reference.n or window.levels != reference.levels:
            return None
        if max(window.counts, default=0) < window.n:
            return None
        level = window.counts.index(window.n)
        share = reference.counts[level] / reference.n
        if may_be_chance(share, window.n / reference.rows_per_draw):
            return None
        return Fault(
            check="constant",
            summary=f"{feature} is {window.levels[level]!r} in every row, in {share:.1%} before",
            quarantine=False,
            evidence={"level": window.levels[level], "share_before": round(share, 4)},
        )
