"""Levels that the model never saw."""

from __future__ import annotations

from everloop.extensions import quality_checks
from everloop.monitor.profile import CategorySketch, Sketch
from everloop.monitor.quality._base import Fault, QualityCheck, Recent

RISE = 0.05  # in the share of unseen values
MOST = 0.5  # more than this is a new coding, not a new level
MIN_ROWS = 20


@quality_checks.register("new_categories")
class NewCategoriesCheck(QualityCheck):
    """One value in twenty or more is outside the levels of the champion."""

    kinds = ("category",)

    def check(
        self, feature: str, reference: Sketch, window: Sketch, recent: Recent
    ) -> Fault | None:
        if not (isinstance(reference, CategorySketch) and isinstance(window, CategorySketch)):
            return None
        if not reference.n or window.unseen < MIN_ROWS:
            return None
        before, now = reference.unseen / reference.n, window.unseen / window.n
        if now - before < RISE:
            return None
        some = ", ".join(repr(value) for value in window.examples)
        return Fault(
            check="new_categories",
            summary=f"{feature} has levels never seen in {now:.1%} of the rows: {some}",
            quarantine=now - before >= MOST,
            evidence={
                "share_before": round(before, 4),
                "share_now": round(now, 4),
                "examples": list(window.examples),
            },
        )
