"""What a trigger promises.

A trigger reads its own form of a ``when`` entry and says whether a situation asks for an update.
It decides nothing: cool-down, quarantine and worth are weighed by :mod:`everloop.update.decide`.
It keeps no state and reads no clock; event time comes with the situation. To add one, write a
class in a file of its own and register it:

    @triggers.register("my_trigger")
    class MyTrigger(Trigger): ...
"""

from __future__ import annotations

from typing import ClassVar

import msgspec

from everloop.update.situation import Situation


class Cause(msgspec.Struct, frozen=True):
    """Why an update is asked for."""

    trigger: str
    reason: str  # completes "An update is asked for: …"
    alerts: tuple[str, ...] = ()  # ids
    features: tuple[str, ...] = ()
    asked: bool = False  # by a person's rule rather than by what was seen: no proof of worth needed
    # by the calendar or a count: where a probe is to choose the method, it may say "not now" too
    can_wait: bool = False


class Trigger:
    """Base class; ``form`` is what a person writes in ``when``."""

    form: ClassVar[str] = ""

    @classmethod
    def parse(cls, text: str) -> Trigger | None:
        """The trigger that ``text`` asks for, or None when it has another form."""
        raise NotImplementedError

    def fires(self, situation: Situation) -> Cause | None:
        """The cause, or None."""
        raise NotImplementedError
