"""Enough new labels."""

from __future__ import annotations

import re

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger

_FORM = re.compile(r"^every (\d+) rows$")


@triggers.register("volume")
class VolumeTrigger(Trigger):
    """Fires when so many labelled rows came since the last cycle."""

    form = "every 20000 rows"

    def __init__(self, rows: int) -> None:
        self.rows = rows

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        match = _FORM.match(text)
        return cls(int(match[1])) if match and int(match[1]) > 0 else None

    def fires(self, situation: Situation) -> Cause | None:
        before = situation.asked.rows if situation.asked else 0
        new = situation.rows - before
        if new < self.rows:
            return None
        return Cause(
            "volume", f"{new} labelled rows came since the last cycle", asked=True, can_wait=True
        )
