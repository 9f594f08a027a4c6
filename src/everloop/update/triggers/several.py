"""A rule over several triggers: all of them, or so many."""

from __future__ import annotations

import re

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger
from everloop.update.triggers._parse import find_trigger

_SOME = re.compile(r"^(\d+) of (.+)$")


@triggers.register("several")
class SeveralTrigger(Trigger):
    """Fires when so many of its parts do: ``"drift and every 7d"``, ``"2 of drift, performance"``.

    A part that was only seen needs its proof of worth still; where a person's rule is one of
    them, the other says that it is time.
    """

    form = "drift and performance"

    def __init__(self, parts: list[Trigger], needed: int) -> None:
        self.parts = parts
        self.needed = needed

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        some = _SOME.match(text)
        words = some[2].split(",") if some else text.split(" and ")
        needed = int(some[1]) if some else len(words)
        if len(words) < 2 or not 1 <= needed <= len(words):
            return None
        found = [find_trigger(word) for word in words]
        parts = [part for part in found if part is not None and not isinstance(part, cls)]
        return cls(parts, needed) if len(parts) == len(words) else None

    def fires(self, situation: Situation) -> Cause | None:
        causes = [part.fires(situation) for part in self.parts]
        found = [cause for cause in causes if cause is not None]
        if len(found) < self.needed:
            return None
        return Cause(
            "several",
            " and ".join(cause.reason for cause in found),
            tuple(alert for cause in found for alert in cause.alerts),
            tuple(dict.fromkeys(f for cause in found for f in cause.features)),
            asked=all(cause.asked for cause in found),
            can_wait=all(cause.can_wait for cause in found if cause.asked),
        )
