"""Levels that the model never saw."""

from __future__ import annotations

import math

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
        if now - max(before, _beyond(reference)) < RISE:
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


def _beyond(reference: CategorySketch) -> float:
    """The largest share of other rows from the same source that may be none of the levels.

    Where the levels are all that the reference held, it is the share of those that came once (Good,
    Biometrika 1953) and three standard errors (Robbins 1968). Where others were left out, the
    levels are the luckiest ones: one row of each may be chance (absolute discounting, Ney, Essen &
    Kneser 1994).
    """
    once = sum(count == 1 for count in reference.counts)
    twice = sum(count == 2 for count in reference.counts)
    if reference.unseen:
        once = sum(count > 0 for count in reference.counts)
    return (reference.unseen + once + 3 * math.sqrt(once + 2 * twice)) / reference.n
