"""Inputs or answers moved away from what the champion was trained on."""

from __future__ import annotations

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger


@triggers.register("drift")
class DriftTrigger(Trigger):
    """Fires on a new drift, and again for one that goes on once many more rows have come."""

    form = "drift"

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        return cls() if text == "drift" else None

    def fires(self, situation: Situation) -> Cause | None:
        new = situation.told("drift")
        if new:
            features = tuple(dict.fromkeys(a.feature for a in new if a.feature))
            reason = "; ".join(a.summary for a in new[:3])
            more = f" and {len(new) - 3} more" if len(new) > 3 else ""
            return Cause("drift", reason + more, tuple(a.id for a in new), features)
        newest = situation.newest
        if newest is None or newest.quarantined or not newest.drifting or not situation.grown:
            return None
        names = ", ".join(newest.drifting[:3])
        reason = f"{names} still drift, and there are {situation.rows} rows to learn from now"
        return Cause("drift", reason, (), newest.drifting)
