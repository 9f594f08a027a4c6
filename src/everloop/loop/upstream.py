"""What others tell a loop: a schema changed, a feed was mended, a campaign began."""

from __future__ import annotations

import re

from everloop.errors import invalid
from everloop.store.clock import now_ms
from everloop.store.events import EventLog
from everloop.store.texts import check_long
from everloop.update.situation import Heard

KIND = "loop.told"
MOST = 100  # events that a decision looks at
_NAME = re.compile(r"[A-Za-z0-9_.:-]{1,64}")


def tell(events: EventLog, loop: str, name: str, message: str, *, actor: str) -> Heard:
    """Write down an event for a loop; ``update.when = ["event NAME"]`` listens to it."""
    if not _NAME.fullmatch(name):
        raise invalid("name", name, "1 to 64 letters, digits, '_', '-', '.' or ':'")
    check_long("message", message, 1000)
    heard = Heard(name, now_ms(), actor, message)
    payload = {"name": name, "message": message}
    with events.transaction() as conn:
        events.append(conn, actor=actor, kind=KIND, subject=f"upstream/{loop}", payload=payload)
    return heard


def heard_since(events: EventLog, loop: str, since: int) -> tuple[Heard, ...]:
    """What a loop was told after ``since`` (ms, by the clock), oldest first."""
    found = events.latest(MOST, subject=f"upstream/{loop}")
    return tuple(
        Heard(event.payload["name"], event.at, event.actor, event.payload["message"])
        for event in reversed(found)
        if event.at > since
    )
