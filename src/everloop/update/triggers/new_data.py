"""The data that the loop file names became another."""

from __future__ import annotations

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger


@triggers.register("new_data")
class NewDataTrigger(Trigger):
    """Fires when the source's fingerprint is another than when the last cycle began."""

    form = "new data"

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        return cls() if text == cls.form else None

    def fires(self, situation: Situation) -> Cause | None:
        last = situation.last_cycle
        if situation.source is None or last is None or last.source in (None, situation.source):
            return None
        return Cause("new_data", "the data source has changed since the last cycle", asked=True)
