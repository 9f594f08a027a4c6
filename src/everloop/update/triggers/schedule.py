"""A person's calendar."""

from __future__ import annotations

from everloop.durations import milliseconds
from everloop.errors import InvalidInput
from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger


@triggers.register("schedule")
class ScheduleTrigger(Trigger):
    """Fires when the last cycle is ``every`` ago, in event time."""

    form = "every 30d"

    def __init__(self, every: str) -> None:
        self.every = every
        self.milliseconds = milliseconds(every, "update.when")

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        words = text.split()
        if len(words) != 2 or words[0] != "every":
            return None
        try:
            return cls(words[1])
        except InvalidInput:
            return None

    def fires(self, situation: Situation) -> Cause | None:
        last = situation.asked
        if last is not None and situation.now - last.at < self.milliseconds:
            return None
        return Cause(
            "schedule", f"{self.every} have passed since the last cycle", asked=True, can_wait=True
        )
