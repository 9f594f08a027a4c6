"""The event log, from the newest event back, and whether its chain holds."""

from __future__ import annotations

import msgspec

from everloop.loop.deciding import Audited
from everloop.loop.project import Project
from everloop.store.clock import now_ms
from everloop.store.events import Event, Wanted

ROWS = 50


class EventsPage(msgspec.Struct, frozen=True):
    """A page of events, and the JSON at ``/events.json``; ``next`` is the ``before`` of older ones.

    ``asked`` is what the query says, as text. ``audit`` is there when it was asked for.
    """

    at: int
    asked: dict[str, str]
    events: list[Event]
    next: int | None
    audit: Audited | None = None


def read_events(
    project: Project,
    asked: dict[str, str],
    wanted: Wanted,
    before: int | None = None,
    audit: Audited | None = None,
) -> EventsPage:
    """The newest events of those wanted."""
    found = project.events.find(wanted, before, ROWS + 1)
    shown = found[:ROWS]
    return EventsPage(now_ms(), asked, shown, shown[-1].seq if len(found) > ROWS else None, audit)
