"""Answers are expected to be worse than when the champion was tested, though no label says so."""

from __future__ import annotations

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger


@triggers.register("estimated_performance")
class EstimatedTrigger(Trigger):
    """Fires on a new loss that an estimate found, and again for one that goes on once many more
    rows have come."""

    form = "estimated performance"

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        return cls() if text == cls.form else None

    def fires(self, situation: Situation) -> Cause | None:
        new = situation.told("estimate")
        if new:
            return Cause("estimate", new[-1].summary, tuple(a.id for a in new))
        newest = situation.newest
        if newest is None or newest.quarantined or not newest.expected_worse:
            return None
        if not situation.grown:
            return None
        reason = f"the score is expected to stay low, and there are {situation.rows} rows to learn"
        return Cause("estimate", f"{reason} from now")
