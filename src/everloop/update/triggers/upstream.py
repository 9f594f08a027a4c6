"""Something that happened elsewhere, told to the loop by HTTP or by its own command."""

from __future__ import annotations

import re

from everloop.extensions import triggers
from everloop.update.situation import Situation
from everloop.update.triggers._base import Cause, Trigger

_FORM = re.compile(r"^event ([A-Za-z0-9_.:-]{1,64})$")


@triggers.register("upstream")
class UpstreamTrigger(Trigger):
    """Fires when an event of this name was told since an update was last considered."""

    form = "event NAME"

    def __init__(self, name: str) -> None:
        self.name = name

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        match = _FORM.match(text)
        return cls(match[1]) if match else None

    def fires(self, situation: Situation) -> Cause | None:
        heard = [event for event in situation.heard if event.name == self.name]
        if not heard:
            return None
        about = f" ({heard[-1].message})" if heard[-1].message else ""
        return Cause("upstream", f"{self.name} was told by {heard[-1].by}{about}", asked=True)
