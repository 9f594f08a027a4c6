"""Which loops to look at now: those that something happened to, and all of them now and then.

A look at a loop costs milliseconds even when nothing is new, which a thousand loops every five
seconds would make a core's whole work. What happens to a loop is an event of its own or a part of
its endpoint's log, and both are found for all loops by one query each. Only what time alone brings
(a schedule, labels that stay away, silence, files that somebody puts into a source) needs a look
at every loop: as often as may be without taking more than ``SHARE`` of a core.
"""

from __future__ import annotations

import time

from everloop.loop.loop import Loop
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.store.events import MAX_PAGE

SHARE = 0.02  # of one core, for looks at loops that nothing happened to
SOONEST, LATEST = 5.0, 300.0  # seconds between two looks at every loop
OVERLAP_MS = 15_000  # clocks of the machines that bring log parts may differ by so much


class Attention:
    """One for a controller, used by its thread alone.

    Parameters
    ----------
    names : of the loops that the controller is for; all of them when None.

    Attributes
    ----------
    loops : those, as far as is known.
    """

    def __init__(self, project: Project, names: frozenset[str] | None = None) -> None:
        self.loops: list[Loop] = []
        self._project = project
        self._names = names
        self._event = next((event.seq for event in project.events.latest(1)), 0)
        self._parts_since = now_ms()
        self._every_at = 0.0

    def due(self) -> tuple[list[Loop], bool]:
        """The loops to look at, and whether those are all of them."""
        parts_since = now_ms()
        self._project.sync_file()
        happened, many = self._happened()
        if many or time.monotonic() >= self._every_at:
            found = [Loop(self._project, said) for said in self._project.cycles.declarations()]
            self.loops = [x for x in found if self._names is None or x.name in self._names]
            self._parts_since = parts_since
            return self.loops, True
        self._project.log.ship()
        grown = self._project.log.grown(self._parts_since - OVERLAP_MS)
        self._parts_since = parts_since
        touched = grown | happened
        return [x for x in self.loops if x.name in touched or x.endpoint in touched], False

    def looked_at_all(self, seconds: float) -> None:
        """Every loop was looked at, which took so much of a core."""
        self._every_at = time.monotonic() + min(max(SOONEST, seconds / SHARE), LATEST)

    def _happened(self) -> tuple[set[str], bool]:
        """What the events since the last time are about, and whether there were too many."""
        events = self._project.events.page(self._event, limit=MAX_PAGE)
        if not events:
            return set(), False
        self._event = events[-1].seq
        declared = any(event.kind == "loop.declared" for event in events)
        # A subject is "loop/flights" or "endpoint:flights".
        about = {event.subject.replace(":", "/", 1).partition("/")[2] for event in events}
        return about, declared or len(events) == MAX_PAGE
