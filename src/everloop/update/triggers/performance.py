"""Answers became worse than when the champion was tested."""

from __future__ import annotations

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger


@triggers.register("performance")
class PerformanceTrigger(Trigger):
    """Fires on a new loss, and again for one that goes on once many more rows have come."""

    form = "performance"

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        return cls() if text == "performance" else None

    def fires(self, situation: Situation) -> Cause | None:
        new = situation.told("performance")
        if new:
            return Cause("performance", new[-1].summary, tuple(a.id for a in new))
        scored = [w for w in situation.windows if w.labelled and not w.quarantined]
        if not scored or not scored[-1].worse or not situation.grown:
            return None
        reason = f"the score stays low, and there are {situation.rows} rows to learn from now"
        return Cause("performance", reason)
